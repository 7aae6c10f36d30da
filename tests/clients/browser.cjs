// Loads subscribe.html in a headless Chromium and prints a line for each thing that the page reports.
//
//     node browser.cjs CHROMIUM URL FILE    CHROMIUM is the browser's executable, FILE the subscription
//     node browser.cjs CHROMIUM URL FILE NOTIFICATIONS MESSAGE    the page also tries to publish the
//         message in a file by HTTP, in all the ways in which a page can send something elsewhere
//
// The lines are `ready`, `message HEX` (the text of a message, UTF-8 in hexadecimal digits) and
// `closed CODE`, and first `tried` with what the page saw of each way. It leaves when its standard
// input ends.
"use strict";

const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { launch } = require("./chromium.cjs");

// Runs in the page.
async function tryToPublish([url, message]) {
  const attempt = async (options) => {
    try {
      return (await fetch(url, { method: "POST", body: message, ...options })).type;
    } catch {
      return "blocked";
    }
  };
  const seen = [
    await attempt({ mode: "no-cors" }),
    await attempt({ mode: "no-cors", headers: { "Content-Type": "application/json" } }),
    await attempt({ headers: { "Content-Type": "application/json" } }),
    navigator.sendBeacon(url, message) ? "sent" : "not sent",
  ];
  const frame = document.body.appendChild(document.createElement("iframe"));
  frame.name = "answer";
  const form = document.body.appendChild(document.createElement("form"));
  Object.assign(form, { method: "POST", action: url, enctype: "text/plain", target: frame.name });
  form.appendChild(document.createElement("input")).name = message;
  form.submit();
  return seen.join(" ");
}

async function main([executablePath, server, file, notifications, message]) {
  const page = fs.readFileSync(path.join(__dirname, "subscribe.html"));
  const pages = http.createServer((request, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(page);
  });
  await new Promise((listening) => pages.listen(0, "127.0.0.1", listening));

  const browser = await launch(executablePath);
  const tab = await browser.newPage();
  await tab.exposeFunction("report", (what, text) => {
    console.log(what === "message" ? `message ${Buffer.from(text).toString("hex")}` : `${what} ${text}`.trim());
  });
  tab.on("pageerror", (error) => console.error(error.message));
  const query = new URLSearchParams({ server, subscription: fs.readFileSync(file, "utf8") });
  await tab.goto(`http://127.0.0.1:${pages.address().port}/?${query}`);
  if (notifications) {
    const text = fs.readFileSync(message, "utf8");
    console.log(`tried ${await tab.evaluate(tryToPublish, [notifications, text])}`);
  }

  await new Promise((end) => process.stdin.resume().on("end", end));
  await browser.close();
  pages.close();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
