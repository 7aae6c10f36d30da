// A subscriber and a publisher on the npm package ws.
//
//     node ws-client.cjs subscribe URL FILE    send FILE, then print a line for each thing that comes
//     node ws-client.cjs publish URL FILE      send FILE and print what comes until the server closes
//
// The lines are `ready` (the subscription is in force), `message HEX` (a text message, its bytes in
// hexadecimal digits) and `closed CODE`. It leaves when its standard input ends.
// It finds ws by NODE_PATH: NODE_PATH=target/tools/node_modules node tests/clients/ws-client.cjs …
"use strict";

const fs = require("node:fs");
const WebSocket = require("ws");

const [role, url, file] = process.argv.slice(2);
const socket = new WebSocket(url);
let ready = role === "publish";

socket.on("open", () => {
  // `false`: a text message, of just these bytes.
  socket.send(fs.readFileSync(file), { binary: false });
  if (role === "subscribe") {
    // A subscription has no answer, but messages are taken in order and this one has.
    socket.send('{"type":"ping"}');
  }
});
socket.on("message", (bytes, isBinary) => {
  if (!ready && bytes.toString() === '{"type":"pong"}') {
    ready = true;
    console.log("ready");
  } else {
    console.log(isBinary ? "binary" : "message", bytes.toString("hex"));
  }
});
socket.on("close", (code) => {
  console.log("closed", code);
  process.exit();
});
socket.on("error", (error) => {
  console.error(error.message);
  process.exit(1);
});
process.stdin.resume();
process.stdin.on("end", () => {
  if (role === "subscribe") {
    process.exit();
  }
});
