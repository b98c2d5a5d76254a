// A worker that has no MongoDB: it handles orders by WebSocket, acknowledges them, and posts what it has done.
import { EventSource } from "eventsource";
import WebSocket from "ws";

const gateway = process.env.GATEWAY; // with tokens: the header `Authorization: Bearer NAME.SECRET`, in all calls
const json = { "Content-Type": "application/json" };

async function register(consumer, types) {
  const answer = await fetch(`${gateway}/v1/consumers/${consumer}`, { method: "PUT", headers: json, body: JSON.stringify({ types }) });
  console.log(`${consumer}: ${answer.status === 201 ? "registered" : "was registered"}`);
}

async function post(type, data, key) {
  const headers = { ...json, "Idempotency-Key": key }; // so a call that is made again puts nothing twice
  const answer = await fetch(`${gateway}/v1/messages`, { method: "POST", headers, body: JSON.stringify({ type, data }) });
  if (!answer.ok) throw new Error(await answer.text());
}

async function handle(record) {
  console.log(`shipping order ${record.data.order_id}: ${record.data.pieces} pieces`);
  await post("order.shipped", { order_id: record.data.order_id }, `shipped-${record.id}`);
}

// One connection; a worker that goes on for ever makes another one when it is closed.
function work(consumer, count) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${gateway.replace("http", "ws")}/v1/consumers/${consumer}/ws`);
    socket.on("open", () => socket.send(JSON.stringify({ credits: 10 })));
    socket.on("error", reject);
    socket.on("close", resolve);
    socket.on("message", async (text) => {
      const { records, next, error, detail } = JSON.parse(text);
      if (error) return reject(new Error(detail));
      for (const record of records) await handle(record);
      socket.send(JSON.stringify({ ack: next })); // what is not acknowledged comes again
      count -= records.length;
      if (count === 0) socket.close();
    });
  });
}

// What has been shipped, pushed by events. EventSource connects again by itself, and then says what it has seen, which
// acknowledges; that can be done at any other time, too.
function watch(consumer, count) {
  return new Promise((resolve) => {
    const events = new EventSource(`${gateway}/v1/consumers/${consumer}/stream`);
    events.addEventListener("message", async (event) => {
      console.log(`order ${JSON.parse(event.data).data.order_id} was shipped`);
      if (--count > 0) return;
      const body = JSON.stringify({ seq: Number(event.lastEventId) });
      await fetch(`${gateway}/v1/consumers/${consumer}/ack`, { method: "POST", headers: json, body });
      events.close();
      resolve();
    });
  });
}

await register("shipping", ["order.placed"]);
await register("board", ["order.shipped"]);
await work("shipping", 2);
await watch("board", 2);
