// A hub on npm ws, as its documentation suggests one: a Set of sockets for each topic, JSON.parse, and
// `send` with the publisher's bytes.
//
//     node ws.cjs HOST:PORT [deflate]    deflate: with compression, for whoever asks for it
//     node ws.cjs HOST:PORT tls CERTIFICATE KEY    with TLS, by Node's own https
//
// Where that is better than the usual: no compression unless asked for; receivers are corked for the rest of the tick, so
// that what a publisher sent together goes to each of them in one writev.
'use strict';

const fs = require('node:fs');
const https = require('node:https');
const { WebSocketServer } = require('ws');

const V1 = 'campanile.v1';
const [host, port] = process.argv[2].split(':');

/** Package, page and, of a subscription to a channel, its name: who subscribed to it. */
const topics = new Map();
const key = ({ package: name, page }, channel) =>
  channel === undefined ? `${name}\0${page}` : `${name}\0${page}\0${channel}`;

let corked = [];
function uncork() {
  const sockets = corked;
  corked = [];
  for (const socket of sockets) socket.uncork();
}

function send(client, message) {
  const socket = client._socket;
  if (!socket.writableCorked) {
    if (corked.length === 0) process.nextTick(uncork);
    corked.push(socket);
    socket.cork();
  }
  client.send(message, { binary: false });
}

function leave(client) {
  for (const topic of client.topics) {
    const members = topics.get(topic);
    members.delete(client);
    if (members.size === 0) topics.delete(topic);
  }
  client.topics = [];
}

function subscribe(client, subscriptions) {
  leave(client);
  for (const wish of subscriptions) {
    for (const channel of wish.filters?.values.channel ?? [undefined]) {
      const topic = key(wish, channel);
      if (!topics.has(topic)) topics.set(topic, new Set());
      topics.get(topic).add(client);
      client.topics.push(topic);
    }
  }
}

let position = 0;
function publish(publisher, notification, message) {
  let recipients = 0;
  const channel = notification.filters?.values.channel;
  const names = channel === undefined ? [undefined] : [undefined, channel];
  for (const name of names) {
    for (const client of topics.get(key(notification, name)) ?? []) {
      send(client, message);
      recipients += 1;
    }
  }
  position += 1;
  if (publisher.protocol === V1) {
    send(publisher, `{"sender":"server","published":{"position":"${position}","recipients":${recipients}}}`);
  }
}

const [, , , mode, cert, keyFile] = process.argv;
const backlog = 4096;
const secured = mode === 'tls' && https.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(keyFile) });
if (secured) secured.listen({ host, port: Number(port), backlog });

const server = new WebSocketServer({
  ...(secured ? { server: secured } : { host, port: Number(port), backlog }),
  clientTracking: false,
  // As its documentation has it; the threshold is Campanile's.
  perMessageDeflate: mode === 'deflate' && { threshold: 512 },
  handleProtocols: (offered) => offered.has(V1) && V1,
});

server.on('listening', () => {
  const { address, port } = server.address();
  console.log(`listening on ${secured ? 'wss' : 'ws'}://${address}:${port}`);
});

server.on('connection', (client) => {
  client.topics = [];
  client.on('message', (message) => {
    const { subscriptions, notification } = JSON.parse(message);
    if (subscriptions) subscribe(client, subscriptions);
    if (notification) publish(client, notification, message);
  });
  client.on('close', () => leave(client));
  client.on('error', (error) => console.error(`session: ${error.message}`));
});
