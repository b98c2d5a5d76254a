// Puts a message from Node, by the staging contract (docs/wire-contracts.md): the order and the message commit together.
import { MongoClient, ObjectId, Timestamp } from "mongodb";

const client = new MongoClient(process.env.MONGO_URI);
const shop = client.db();

function put(type, key, data, { session, headers = {} }) {
  const staged = { _id: new ObjectId(), at: new Timestamp({ t: 0, i: 0 }), created: new Date(), type, key, headers, data };
  return shop.collection("outbox.staging").insertOne(staged, { session });
}

async function placeOrder(id, pieces) {
  await client.withSession((session) =>
    session.withTransaction(async () => {
      await shop.collection("orders").insertOne({ _id: id, pieces }, { session });
      const data = { order_id: id, pieces };
      await put("order.placed", id, data, { session, headers: { source: "node" } });
      if (pieces > 100) throw new Error(`order ${id} is too large`);
    }),
  );
  console.log(`order ${id}: placed`);
}

try {
  await placeOrder("1", 3);
  await placeOrder("2", 500).catch((error) => console.log(`order 2: rolled back, ${error.message}`));
  const wrong = put("order.placed", "3", { order_id: "3", pieces: "three" }, {});
  await wrong.catch((error) => console.log(`order 3: refused by the server with ${error.code}`));
} finally {
  await client.close();
}
