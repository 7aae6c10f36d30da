// Opens a page in a headless Chromium, and prints each line of text that appears on it.
//
//     node page.cjs CHROMIUM URL
//
// It leaves when its standard input ends.
"use strict";

const { launch } = require("./chromium.cjs");

async function main([executablePath, url]) {
  const browser = await launch(executablePath);
  const tab = await browser.newPage();
  tab.on("pageerror", (error) => console.log(`error: ${error.message}`));
  await tab.goto(url);

  let ended = false;
  process.stdin.resume().on("end", () => (ended = true));
  let seen = 0;
  while (!ended) {
    const lines = (await tab.evaluate(() => document.body.innerText)).split("\n").filter((line) => line.trim());
    lines.slice(seen).forEach((line) => console.log(line));
    seen = Math.max(seen, lines.length);
    await new Promise((later) => setTimeout(later, 50));
  }
  await browser.close();
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
