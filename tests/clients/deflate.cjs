// The npm package ws with compression, as an echo server and as a client of one.
//
//     node deflate.cjs client URL TAKEOVER WINDOW    talk, and hear all of it back
//     node deflate.cjs daemon URL TAKEOVER WINDOW    the same by way of notifications to itself
//     node deflate.cjs server TAKEOVER WINDOW        echo; prints the port, leaves when its input ends
//
// TAKEOVER is true or false, for both directions; WINDOW is 9 to 15, for both directions. The client
// prints what was agreed on and how many bytes of messages there were, of the socket written and read.
// It finds ws by NODE_PATH.
"use strict";

const WebSocket = require("ws");

const [role, ...rest] = process.argv.slice(2);
const [takeover, window] = rest.slice(-2);
const perMessageDeflate = {
  threshold: 0,
  serverNoContextTakeover: takeover !== "true",
  clientNoContextTakeover: takeover !== "true",
  serverMaxWindowBits: Number(window),
  clientMaxWindowBits: Number(window),
};

function messages() {
  const rows = (count) =>
    Array.from({ length: count }, (_, i) => `{"id":${(i * 7919) % 1000},"name":"caf\u00e9 ${i}"}`).join(",");
  const noise = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * i * 31 + (i >> 3)) & 255));
  return ["", "a", rows(1), rows(1), rows(30), noise, rows(3000), Buffer.from(rows(500)), "", rows(30)];
}

if (role === "server") {
  const server = new WebSocket.Server({ host: "127.0.0.1", port: 0, perMessageDeflate }, () =>
    console.log(server.address().port),
  );
  server.on("connection", (socket) => {
    socket.on("message", (bytes, binary) => socket.send(bytes, { binary }));
  });
  process.stdin.on("end", () => process.exit()).resume();
} else if (role === "daemon") {
  const socket = new WebSocket(rest[0], ["campanile.v1"], { perMessageDeflate });
  const sent = messages().map((message) =>
    JSON.stringify({ sender: "server", notification: { package: "p", page: "q", data: message.toString() } }),
  );
  let heard = 0;
  let bytes = 0;
  socket.on("open", () => {
    socket.send('{"sender":"client","subscriptions":[{"package":"p","page":"q"}]}');
    for (const message of sent) {
      bytes += Buffer.byteLength(message);
      socket.send(message);
    }
  });
  socket.on("message", (text) => {
    const { position, notification } = JSON.parse(text);
    if (!notification) return;
    if (text.toString() !== `{"position":"${position}",${sent[heard++].slice(1)}`) {
      console.error(`notification ${heard} came back otherwise`);
      process.exit(1);
    }
    if (heard === sent.length) {
      const { bytesWritten, bytesRead } = socket._socket;
      console.log(bytes, bytesWritten, bytesRead, JSON.stringify(socket._extensions["permessage-deflate"].params));
      socket.close(1000);
    }
  });
  socket.on("close", (code) => process.exit(code === 1000 && heard === sent.length ? 0 : 1));
  socket.on("error", (error) => console.error(error.message));
} else {
  const socket = new WebSocket(rest[0], { perMessageDeflate });
  const sent = messages();
  let heard = 0;
  let bytes = 0;
  socket.on("open", () => {
    for (const message of sent) {
      bytes += Buffer.byteLength(message);
      socket.send(message);
    }
    // And one in fragments.
    socket.send("frag", { fin: false });
    socket.send("ments", { fin: true });
    sent.push("fragments");
  });
  socket.on("message", (echo, binary) => {
    const message = sent[heard++];
    if (binary !== Buffer.isBuffer(message) || !Buffer.from(message).equals(echo)) {
      console.error(`message ${heard} came back otherwise`);
      process.exit(1);
    }
    if (heard === sent.length) {
      const { bytesWritten, bytesRead } = socket._socket;
      console.log(socket.extensions, bytes, bytesWritten, bytesRead);
      socket.close(1000);
    }
  });
  socket.on("close", (code) => process.exit(code === 1000 && heard === sent.length ? 0 : 1));
  socket.on("error", (error) => console.error(error.message));
}
