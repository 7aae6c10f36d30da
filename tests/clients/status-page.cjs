// Clicks through the daemon's status page in a headless Chromium, as a person would, and fails where
// something is not as it should be.
//
//     node status-page.cjs CHROMIUM URL [FOLDER]    URL is the admin address, FOLDER takes screenshots
//
// The daemon is expected to have some forty connections, of which one subscribes to the page `bell` of
// the package `tower` at `hour` 12. A line on standard output says what is to happen next: `publish` that
// something be published, `published` that the one subscriber has been sent a notification, `end` that
// the daemon be ended. A line on standard input says that it has. `seen` and what says how far it is.
// It finds playwright-core and axe-core by NODE_PATH.
"use strict";

const assert = require("node:assert/strict");
const path = require("node:path");
const fs = require("node:fs");
const readline = require("node:readline");
const { launch } = require("./chromium.cjs");

// The other end of waiting: never reached where all is well, and nearer than that of who runs this.
const PATIENCE = 20_000;
const NARROW = { width: 360, height: 800 };
const WIDE = { width: 1600, height: 1000 };
const NOTIFICATION = '{"package":"tower","page":"bell","filters":{"values":{"hour":12}},"data":"ding"}';

const input = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

// Says what is to happen, and waits until it has.
async function have(what) {
  console.log(what);
  await input.next();
}

async function main([executablePath, url, folder]) {
  const browser = await launch(executablePath);
  const open = async (options) => {
    const context = await browser.newContext({ viewport: WIDE, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE);
    const troubles = [];
    page.on("pageerror", (error) => troubles.push(error.message));
    page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
    page.on("request", (request) => request.url().startsWith(url) || troubles.push(`asks for ${request.url()}`));
    await page.goto(url);
    await waitFor(page, "#connections-status", /^Page 1: 25 connections\.$/);
    return { page, troubles, close: () => context.close() };
  };

  await clickThrough(await open({}));
  await byKeyboard(await open({ reducedMotion: "reduce" }));
  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [NARROW, WIDE]) {
      await look(await open({ colorScheme, viewport }), `${colorScheme}-${viewport.width}`, folder);
    }
  }
  await withoutServer(await open({}));
  await browser.close();
  process.stdin.destroy();
  console.log("done");
}

const tile = (page, name) => page.locator(".tile", { hasText: name });
const firstNumber = (page) => page.locator("#connections-list tbody th").first().textContent();
const rows = (page, list) => page.locator(`${list} tbody tr`);

// The text of an element when it is as wanted.
async function waitFor(page, selector, wanted) {
  try {
    await page.waitForFunction(
      ([selector, source]) => new RegExp(source).test(document.querySelector(selector).textContent),
      [selector, wanted.source],
      { timeout: PATIENCE },
    );
  } catch {
    assert.match(await page.locator(selector).textContent(), wanted, await page.locator("#trouble").textContent());
    throw new Error(`${selector} is as wanted, but late`);
  }
}

async function clickThrough({ page, troubles, close }) {
  // Live numbers.
  const notifications = tile(page, "Notifications").locator(".aside");
  await notifications.filter({ hasText: /^\d+ in all$/ }).waitFor();
  const before = Number.parseInt(await notifications.textContent(), 10);
  await have("publish");
  await page.waitForFunction(
    (before) => {
      const tiles = [...document.querySelectorAll(".tile")];
      const tile = tiles.find((tile) => tile.textContent.startsWith("Notifications"));
      return Number.parseInt(tile.querySelector(".aside").textContent, 10) > before;
    },
    before,
  );
  assert.match(await tile(page, "Connections").locator(".value").textContent(), /^4\d$/);
  const label = await tile(page, "Deliveries").locator("svg").getAttribute("aria-label");
  assert.match(label, /^Chart of deliveries a second in the last \d+ seconds: between/);
  assert.notEqual(await tile(page, "Connections").locator(".line").getAttribute("d"), "");

  // Connections: pages, and a search.
  assert.equal(await rows(page, "#connections-list").count(), 25);
  const first = await firstNumber(page);
  await page.getByRole("button", { name: "Next page" }).first().click();
  await waitFor(page, "#connections-status", /^Page 2: 1\d connections\.$/);
  assert.notEqual(await firstNumber(page), first);
  await page.getByRole("button", { name: "Previous page" }).first().click();
  await waitFor(page, "#connections-status", /^Page 1: 25 connections\.$/);
  assert.equal(await firstNumber(page), first);
  await page.getByLabel("Search connections").fill("Tower 127.0.0.1");
  await page.getByRole("button", { name: "Search" }).click();
  await waitFor(page, "#connections-status", /^Page 1 for “Tower 127.0.0.1”: 1 connection\.$/);
  const found = await rows(page, "#connections-list").first().textContent();
  assert.match(found, /tower \/ bell hour: 12/);
  await page.getByLabel("Search connections").fill("nobody has this");
  await page.getByLabel("Search connections").press("Enter");
  await waitFor(page, "#connections-list", /Nothing found\. Search for less/);

  // A notification that is none, one that nobody hears, one that somebody hears, and then for real.
  const text = page.getByLabel("Notification, in JSON");
  const ask = page.getByRole("button", { name: "Ask who would receive it" });
  await text.fill('{"package":"tower",}');
  await ask.click();
  await waitFor(page, "#notification-error", /^This is no JSON: .*Correct it/);
  assert.equal(await text.getAttribute("aria-invalid"), "true");
  await text.fill('{"package":"tower"}');
  await ask.click();
  await waitFor(page, "#notification-error", /page is missing/);
  await text.fill(NOTIFICATION.replace("12", "13"));
  await ask.click();
  await waitFor(page, "#try-status", /^Nobody would receive it/);
  assert.equal(await page.locator("#notification-error").textContent(), "");
  assert.equal(await text.getAttribute("aria-invalid"), "false");
  await waitFor(page, "#receiving", /Compare package, page and values/);
  await page.locator("#others-pages").getByRole("button", { name: "Next page" }).click();
  await waitFor(page, "#others caption", /^Would not receive it, page 2$/);
  await page.getByLabel("only those with").fill("tower");
  await ask.click();
  await waitFor(page, "#others caption", /^Would not receive it$/);
  await waitFor(page, "#others", /filters\.values\.hour the notification has 13, and the subscription accepts "12"/);
  assert.equal(await rows(page, "#others").count(), 1);
  await text.fill(NOTIFICATION);
  await ask.click();
  await waitFor(page, "#try-status", /^1 connection would receive it\.$/);
  assert.equal(await rows(page, "#receiving").count(), 1);
  await page.getByRole("button", { name: "Publish it now" }).click();
  await waitFor(page, "#try-status", /^Published to 1 connection, at position [0-9a-f]+-[0-9a-f]+\.$/);
  await have("published");

  // Events.
  await waitFor(page, "#events-list", /test notification/);
  await page.getByLabel("Show").selectOption("bad");
  await page.waitForFunction(() => !document.querySelector("#events-list").textContent.includes("connected"));
  await page.getByLabel("Show").selectOption("all");
  await page.getByRole("button", { name: "Show older events" }).click();
  await page.waitForFunction(() => document.querySelectorAll("#events-list tbody tr").length > 40);

  // Settings.
  await page.getByText("All settings").click();
  await waitFor(page, "#settings-list", /limits\.connections/);
  assert.deepEqual(troubles, ["Failed to load resource: the server responded with a status of 400 (Bad Request)"]);
  await close();
  console.log("seen what a click does");
}

// What the focus is on.
const focused = (page) =>
  page.evaluate(() => {
    const element = document.activeElement;
    if (element === document.body) {
      return "nothing";
    }
    return element.id || element.dataset.turn || element.textContent.trim();
  });

async function byKeyboard({ page, troubles, close }) {
  // The last that comes, before it is all there to be reached.
  await page.locator("#events-all").waitFor();
  const steps = ["Skip to the content", "Now", "Events", "Settings", "Since the server was started", "search-text", "Search",
    "on", "notification-text", "Ask who would receive it", "publish", "events-level", "events-follow", "events-all", "All settings"];
  const reached = [];
  for (let tab = 0; tab < 60 && !steps.every((step) => reached.includes(step)); tab += 1) {
    await page.keyboard.press("Tab");
    reached.push(await focused(page));
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, "none", `the focus is not to be seen on ${reached.at(-1)}`);
  }
  assert.deepEqual(steps.filter((step) => !reached.includes(step)), [], `reached ${reached.join(", ")}`);

  const go = async (wanted, key = "Shift+Tab") => {
    for (let tab = 0; tab < 60 && (await focused(page)) !== wanted; tab += 1) {
      await page.keyboard.press(key);
    }
    assert.equal(await focused(page), wanted);
  };
  await go("search-text");
  await page.keyboard.type("tower");
  await page.keyboard.press("Enter");
  await waitFor(page, "#connections-status", /: 1 connection\.$/);
  await go("notification-text", "Tab");
  await page.keyboard.press("Control+A");
  await page.keyboard.insertText(NOTIFICATION);
  await page.keyboard.press("Tab");
  assert.equal(await focused(page), "others-search");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await waitFor(page, "#try-status", /^1 connection would receive it\.$/);
  assert.equal(await focused(page), "Ask who would receive it", "the focus stays");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await waitFor(page, "#try-status", /^Published to 1 connection/);
  await have("published");
  assert.deepEqual(troubles, []);
  await close();
}

async function look({ page, troubles, close }, name, folder) {
  await page.getByText("Since the server was started").click();
  await page.getByText("All settings").click();
  await page.getByRole("button", { name: "Ask who would receive it" }).click();
  await page.locator("#others table").waitFor();
  await page.locator("#events-list table").waitFor();
  const overflowing = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    const all = [...document.querySelectorAll("body *")];
    const wide = all.filter((element) => element.getBoundingClientRect().right > width + 1 && element.checkVisibility());
    return { scrolls: document.documentElement.scrollWidth - width, wide: wide.map((element) => element.outerHTML.slice(0, 99)) };
  });
  assert.deepEqual(overflowing, { scrolls: 0, wide: [] }, name);
  await page.evaluate(fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8"));
  const { violations, passes } = await page.evaluate("axe.run()");
  assert.ok(passes.length > 20, "axe has looked");
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} (${node.failureSummary})`).join(", ")}`);
  assert.deepEqual(told, [], name);
  if (folder) {
    await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
  }
  assert.deepEqual(troubles, []);
  await close();
  console.log(`seen ${name}`);
}

async function withoutServer({ page, close }) {
  await have("end");
  await waitFor(page, "#trouble", /The server does not answer\. Look whether it still runs/);
  await close();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
