// Reads a topic's first records, each with the library of its encoding, and prints them, a JSON object a line.
import { SchemaRegistry } from "@kafkajs/confluent-schema-registry";
import { EJSON, deserialize } from "bson";
import * as cloudevents from "cloudevents";
import { Kafka, logLevel } from "kafkajs";

const { KAFKA, TOPIC, REGISTRY, COUNT } = process.env;
const registry = new SchemaRegistry({ host: REGISTRY });

async function read({ value, headers, key }) {
  switch (headers.type.toString()) {
    case "of.avro":
    case "of.json-schema":
      return registry.decode(value);
    case "of.bson":
      return EJSON.serialize(deserialize(value), { relaxed: false });
    case "of.extended-json":
      return EJSON.serialize(EJSON.parse(value.toString(), { relaxed: false }), { relaxed: false });
    case "of.cloudevents":
    case "of.cloudevents-structured": {
      const text = Object.fromEntries(Object.entries(headers).map(([name, each]) => [name, each.toString()]));
      const event = cloudevents.Kafka.toEvent({ headers: text, key: key.toString(), value: value.toString(), body: value.toString() });
      return { type: event.type, source: event.source, data: event.data };
    }
    default:
      return JSON.parse(value);
  }
}

const kafka = new Kafka({ brokers: [KAFKA], logLevel: logLevel.NOTHING });
const consumer = kafka.consumer({ groupId: TOPIC, maxWaitTimeInMs: 50 });
await consumer.connect();
await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
let left = Number(COUNT);
await new Promise((done, failed) => {
  consumer.run({
    eachMessage: async ({ message }) => {
      try {
        console.log(JSON.stringify({ key: message.key.toString(), value: await read(message) }));
        if (--left === 0) done();
      } catch (error) {
        failed(error);
      }
    },
  }).catch(failed);
});
await consumer.disconnect();
