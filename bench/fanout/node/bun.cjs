// A hub on Bun, whose WebSocket server is uWebSockets (C++) with its publish/subscribe: uWebSockets.js
// itself is not on npm.
//
// Topics are package, page and channel, as with the other hubs; a publication goes to two of them, which
// the library's own `publish` does without JavaScript for each receiver, batched per turn of its loop.
'use strict';

const V1 = 'campanile.v1';
const [hostname, port] = process.argv[2].split(':');

const key = ({ package: name, page }, channel) =>
  channel === undefined ? `${name}\0${page}` : `${name}\0${page}\0${channel}`;

let position = 0;
function publish(publisher, notification, message) {
  const channel = notification.filters?.values.channel;
  let recipients = 0;
  const topics = [key(notification)];
  if (channel !== undefined) topics.push(key(notification, channel));
  for (const topic of topics) {
    const count = server.subscriberCount(topic);
    if (count > 0) server.publish(topic, message);
    recipients += count;
  }
  position += 1;
  if (publisher.data.v1) {
    publisher.send(`{"sender":"server","published":{"position":"${position}","recipients":${recipients}}}`);
  }
}

const server = Bun.serve({
  hostname,
  port: Number(port),
  fetch(request, server) {
    const offer = request.headers.get('Sec-WebSocket-Protocol') ?? '';
    const v1 = offer.split(',').some((name) => name.trim() === V1);
    const headers = v1 ? { 'Sec-WebSocket-Protocol': V1 } : {};
    if (server.upgrade(request, { headers, data: { v1, topics: [] } })) return undefined;
    return new Response('this is a WebSocket server', { status: 426 });
  },
  websocket: {
    idleTimeout: 0,
    // As much as a receiver may owe: what a burst leaves behind on a busy machine is not lost.
    backpressureLimit: 64 * 1024 * 1024,
    maxPayloadLength: 64 * 1024,
    perMessageDeflate: false,
    sendPings: false,
    message(client, message) {
      const { subscriptions, notification } = JSON.parse(message);
      if (subscriptions) {
        for (const topic of client.data.topics) client.unsubscribe(topic);
        client.data.topics = [];
        for (const wish of subscriptions) {
          for (const channel of wish.filters?.values.channel ?? [undefined]) {
            const topic = key(wish, channel);
            client.subscribe(topic);
            client.data.topics.push(topic);
          }
        }
      }
      if (notification) publish(client, notification, message);
    },
  },
});

console.log(`listening on ws://${server.hostname}:${server.port}`);
