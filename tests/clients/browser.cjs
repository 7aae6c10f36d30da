// Loads subscribe.html in a headless Chromium and prints a line for each thing that the page reports.
//
//     node browser.cjs CHROMIUM URL FILE    CHROMIUM is the browser's executable, FILE the subscription
//
// The lines are `ready`, `message HEX` (the text of a message, UTF-8 in hexadecimal digits) and
// `closed CODE`. It leaves when its standard input ends.
// It finds playwright-core by NODE_PATH, as ws-client.cjs does ws.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { chromium } = require("playwright-core");

const FLAGS = [
  "--no-sandbox", // Chromium refuses to run as root with it, and the page is our own.
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

async function main([executablePath, server, file]) {
  const page = fs.readFileSync(path.join(__dirname, "subscribe.html"));
  const pages = http.createServer((request, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(page);
  });
  await new Promise((listening) => pages.listen(0, "127.0.0.1", listening));

  const browser = await chromium.launch({ executablePath, args: FLAGS });
  const tab = await browser.newPage();
  await tab.exposeFunction("report", (what, text) => {
    console.log(what === "message" ? `message ${Buffer.from(text).toString("hex")}` : `${what} ${text}`.trim());
  });
  tab.on("pageerror", (error) => console.error(error.message));
  const query = new URLSearchParams({ server, subscription: fs.readFileSync(file, "utf8") });
  await tab.goto(`http://127.0.0.1:${pages.address().port}/?${query}`);

  await new Promise((end) => process.stdin.resume().on("end", end));
  await browser.close();
  pages.close();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
