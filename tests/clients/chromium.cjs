// A headless Chromium for the tests, which finds playwright-core by NODE_PATH, as ws-client.cjs does ws.
"use strict";

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

exports.launch = (executablePath) => chromium.launch({ executablePath, args: FLAGS });
