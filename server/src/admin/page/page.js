// The status page: asks the server for what it shows, and draws it.

import { Series, chart, draw } from "/charts.js";

// How often the numbers and the events are asked for, and how often after a failure; in milliseconds.
const PACE = 1_000;
const PACE_IN_TROUBLE = 4_000;
// How long an answer may take; looking through many connections takes the server two seconds.
const PATIENCE = 9_000;
// How many seconds the charts show.
const SPAN = 120;
// Over how many seconds latencies are taken together.
const LATENCY_SPAN = 10;
// How many events are kept, as many as the server keeps; and how many are shown at first, for more are
// long on a small screen.
const EVENTS = 256;
const EVENTS_AT_FIRST = 15;

const byId = (id) => document.getElementById(id);

// An element with attributes (a function is a listener) and children; a string is a text, never markup.
function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") {
      element.addEventListener(key, value);
    } else if (value !== null && value !== false) {
      element.setAttribute(key, value === true ? "" : value);
    }
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/* Numbers and times in words. */

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

const number = (value) => (value >= 1000 || Number.isInteger(value) ? whole.format(Math.round(value)) : short.format(value));
const plural = (count, one, many = `${one}s`) => `${whole.format(count)} ${count === 1 ? one : many}`;

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${short.format(value)} ${units[at]}`;
}

function duration(seconds) {
  const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const at = units.findIndex(([, length]) => seconds >= length);
  if (at < 0) {
    return "less than a second";
  }
  const [name, length] = units[at];
  const count = Math.floor(seconds / length);
  const next = units[at + 1];
  const rest = next && count < 10 ? Math.floor((seconds - count * length) / next[1]) : 0;
  return plural(count, name) + (rest ? ` ${plural(rest, next[0])}` : "");
}

function seconds(value) {
  if (value < 0.001) {
    return `${short.format(value * 1e6)} µs`;
  }
  return value < 1 ? `${short.format(value * 1e3)} ms` : `${short.format(value)} s`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/* Asking the server. */

// `isAsked`: what was asked for is wrong, and not the server.
class Trouble extends Error {
  constructor(words, isAsked = false) {
    super(words);
    this.isAsked = isAsked;
  }
}

// What the server answers, or a Trouble with what to tell a person.
async function ask(path, body) {
  let response;
  try {
    response = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body,
      signal: AbortSignal.timeout(PATIENCE),
    });
  } catch {
    throw new Trouble("The server does not answer. Look whether it still runs; this page goes on asking.");
  }
  let answer;
  try {
    answer = await response.json();
  } catch {
    throw new Trouble(`The server refuses to answer this page (HTTP status ${response.status}). Reload the page.`);
  }
  if (!response.ok) {
    throw new Trouble(answer.error ?? `The server answers with HTTP status ${response.status}.`, response.status === 400);
  }
  return answer;
}

/* Now. */

// What the tiles show. `now` takes the value from the last two answers, `say` says it.
const perSecond = (take) => (status, before) =>
  before && status.now > before.now ? Math.max(0, (take(status) - take(before)) / (status.now - before.now)) : null;
const TILES = [
  { name: "Connections", now: (status) => status.readings.connections, say: number, aside: (status) => plural(status.readings.subscriptions, "subscription") },
  { name: "Notifications", unit: "/s", now: perSecond((status) => status.counters.notifications), say: number, aside: (status) => `${whole.format(status.counters.notifications)} in all` },
  { name: "Deliveries", unit: "/s", now: perSecond((status) => status.readings.deliveries), say: number, aside: (status) => `${whole.format(status.readings.deliveries)} in all` },
  { name: "Messages received", unit: "/s", now: perSecond((status) => status.readings.messages), say: number, aside: (status) => `${whole.format(status.readings.messages)} in all` },
  { name: "Sent", unit: "/s", now: perSecond((status) => status.readings.sent_bytes), say: bytes, aside: (status) => `${bytes(status.readings.sent_bytes)} in all` },
  {
    name: "Waiting to be read",
    now: (status) => status.readings.waiting_bytes,
    say: bytes,
    aside: (status) => (status.readings.behind ? `by ${plural(status.readings.behind, "slow connection")}` : "nobody is behind"),
  },
  { name: "Time to publish", now: latency, say: seconds, aside: (status) => (latency(status) === null ? "nothing published just now" : "for 99 of 100, at most") },
  {
    name: "Memory",
    now: (status) => status.process.resident,
    say: bytes,
    aside: (status, before) => {
      const used = status.process.ticks === null ? null : perSecond((it) => it.process.ticks)(status, before);
      return used === null ? "" : `${short.format(used)} % of a processor`;
    },
  },
];

// What has happened altogether, in words; names are the server's.
const TOTALS = [
  ["connections", "Connections that were opened"],
  ["notifications", "Notifications that were published"],
  ["deliveries", "Deliveries of them"],
  ["http_requests", "HTTP requests that were answered"],
  ["http_errors", "HTTP requests that were answered with an error"],
  ["declined", "Connections that were declined, for a limit on connections"],
  ["handshakes_refused", "Requests that open no WebSocket"],
  ["handshakes_too_slow", "Opening handshakes that were not complete in time"],
  ["rate_limited", "Messages over a rate"],
  ["forbidden", "Messages of who may not publish"],
  ["too_many_subscriptions", "Messages with too many subscriptions"],
  ["invalid_messages", "Messages that were refused otherwise"],
  ["protocol_violations", "Connections closed for a protocol violation"],
  ["slow_consumers", "Connections closed since they did not read"],
  ["dropped", "Notifications that were dropped for who did not read"],
  ["accept_failures", "Times that the system refused connections"],
];

// What 99 of 100 took at most in the last seconds, as the buckets tell it.
function latency(status) {
  const first = history.find((earlier) => status.now - earlier.now <= LATENCY_SPAN + 0.5);
  const counts = status.latencies.counts.map((count, at) => count - (first?.latencies.counts[at] ?? 0));
  const all = counts.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  for (const [at, count] of counts.entries()) {
    seen += count;
    if (all > 0 && seen >= all * 0.99) {
      return status.latencies.bounds[at] ?? status.latencies.bounds.at(-1);
    }
  }
  return null;
}

// The last answers, the newest last.
let history = [];
let tiles = [];

function layTiles() {
  tiles = TILES.map((tile) => {
    const value = el("p", { class: "value" }, "–");
    const foot = el("p", { class: "aside" });
    const picture = chart();
    const title = tile.unit ? `${tile.name} a second` : tile.name;
    const spoken = tile.unit ? el("span", { class: "spoken" }, " a second") : null;
    const box = el("li", { class: "tile" }, el("h3", {}, tile.name, ...[spoken].filter(Boolean)), value, picture, foot);
    draw(picture, new Series(SPAN), title.toLowerCase(), tile.say);
    return { ...tile, title, value, foot, picture, box, series: new Series(SPAN) };
  });
  byId("tiles").replaceChildren(...tiles.map((tile) => tile.box));
}

function showNow(status) {
  const before = history.at(-1);
  for (const tile of tiles) {
    const now = tile.now(status, before) ?? null;
    tile.series.add(now);
    tile.value.replaceChildren(now === null ? "–" : tile.say(now), now === null || !tile.unit ? "" : el("small", { "aria-hidden": "true" }, ` ${tile.unit}`));
    tile.foot.textContent = tile.aside(status, before);
    draw(tile.picture, tile.series, tile.title.toLowerCase(), tile.say);
  }
  byId("totals").replaceChildren(
    ...TOTALS.map(([name, words]) =>
      el("tr", {}, el("th", { scope: "row" }, words), el("td", { class: "number" }, whole.format(status.counters[name] ?? 0))),
    ),
  );
}

function showAbout(status) {
  const shards = status.runtime === "smol" ? `, ${plural(status.shards, "shard")}` : "";
  byId("about").textContent =
    `Version ${status.version} on ${status.listen} (runtime ${status.runtime}${shards}), ` +
    `running for ${duration(status.now - status.started)}`;
}

// A text whose words in backticks are code.
const coded = (text) => text.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));

let shownSettings = "";

function showSettings(status) {
  const text = JSON.stringify(status.settings);
  if (text === shownSettings) {
    return;
  }
  shownSettings = text;
  byId("settings-list").replaceChildren(
    ...status.settings.map((setting) =>
      row(
        cell("Setting", el("code", {}, setting.key)),
        cell("Value", setting.value),
        cell("Set by", setting.set ?? "default", "anywhere"),
        cell("What it is", coded(setting.help)),
      ),
    ),
  );
}

/* Tables. On a narrow screen rows are blocks, so they say what they are, to programs too. */

const cell = (label, content, style = "") =>
  el("td", { role: "cell", "data-label": label, class: style || null }, el("div", {}, ...[content].flat()));
const row = (...cells) => el("tr", { role: "row" }, ...cells);

function table(caption, columns, rows) {
  const heads = columns.map((column) => el("th", { scope: "col", role: "columnheader" }, column));
  return el(
    "table",
    { class: "stacked", role: "table" },
    el("caption", {}, caption),
    el("thead", { role: "rowgroup" }, row(...heads)),
    el("tbody", { role: "rowgroup" }, ...rows),
  );
}

const SESSIONS = { http: "HTTP", opening: "opening", closing: "closing", classic: "classic", v1: "v1" };

const since = (connection) =>
  connection.since === null ? "just now" : `${duration(Math.max(0, Date.now() / 1000 - connection.since))} ago`;

// A value of a subscription as a person says it.
const scalar = (value) => (typeof value === "string" ? value || "“”" : String(value));
function accepted(value) {
  if (value === true) {
    return "any value";
  }
  const list = [value].flat();
  return list.length ? list.map(scalar).join(" or ") : "nothing";
}

function subscription({ package: name, page, filters }) {
  const values = filters?.values;
  const constraints =
    values === undefined || values === null
      ? []
      : typeof values === "object" && !Array.isArray(values)
        ? Object.entries(values).map(([key, value]) => `${key || "“”"}: ${accepted(value)}`)
        : [`any key: ${accepted(values)}`];
  const where = constraints.length ? constraints.join(" · ") : "everything";
  return el("li", { class: "fields" }, `${name} / ${page} `, el("span", { class: "where" }, where));
}

// A list of which only the first few are shown at once.
const FIRST = 3;
function folded(items, more) {
  const rest = items.slice(FIRST);
  const left = rest.length + more.count;
  return [
    el("ul", {}, ...items.slice(0, FIRST)),
    rest.length ? el("details", {}, el("summary", {}, `${whole.format(left)} more`), el("ul", {}, ...rest)) : null,
    more.count ? el("p", { class: "where" }, more.words) : null,
  ].filter((part) => part !== null);
}

function subscribed(connection) {
  const list = connection.subscribed ?? [];
  if (connection.subscriptions === 0) {
    return "nothing";
  }
  const more = connection.is_all ? { count: 0 } : { count: 1, words: "and more than is shown here" };
  return folded(list.map(subscription), more);
}

const empty = (...words) => el("p", { class: "empty" }, ...words);

/* Pages of a list whose answers say where they go on. */

class Pager {
  // `load` asks for a page, and gives the answer; `show` draws it.
  constructor(buttons, load, show, fail) {
    Object.assign(this, { buttons, load, show, fail, turn: 0 });
    this.places = [""];
    this.next = null;
    for (const button of buttons.querySelectorAll("button")) {
      button.addEventListener("click", () => {
        // It stays in reach of the keyboard when there is nothing more.
        if (button.getAttribute("aria-disabled") !== "true") {
          this.go(button.dataset.turn === "on" ? [...this.places, this.next] : this.places.slice(0, -1));
        }
      });
    }
  }

  first() {
    return this.go([""]);
  }

  async go(places) {
    const turn = ++this.turn;
    try {
      const answer = await this.load(places.at(-1));
      // Whoever asked later is the one who is answered.
      if (turn !== this.turn) {
        return;
      }
      this.places = places;
      this.next = answer.next;
      this.buttons.hidden = places.length === 1 && answer.next === null;
      this.enable("back", places.length > 1);
      this.enable("on", answer.next !== null);
      this.show(answer, places.length);
    } catch (error) {
      if (turn === this.turn) {
        this.fail(error);
      }
    }
  }

  enable(turn, is) {
    this.buttons.querySelector(`[data-turn=${turn}]`).setAttribute("aria-disabled", String(!is));
  }
}

// What to tell a person about an error.
function said(error) {
  if (error instanceof Trouble) {
    return error.message;
  }
  console.error(error);
  return "This page has failed. Reload it, and tell those who make Campanile if that does not help.";
}

/* Connections. */

let search = "";

const connections = new Pager(
  byId("connections-pages"),
  (page) => ask(`/api/connections?${new URLSearchParams({ search, page })}`),
  (answer, page) => {
    const list = answer.connections;
    const from = (page - 1) * answer.size;
    const searched = search ? ` for “${search}”` : "";
    const looked = answer.ran_out ? ` after looking at ${whole.format(answer.looked_at)}; the next page goes on looking` : "";
    byId("connections-status").textContent = list.length
      ? `Page ${page}${searched}: ${plural(list.length, "connection")}${looked}.`
      : `Page ${page}${searched}: no connection${looked}.`;
    const rows = list.map((connection) =>
      row(
        el("th", { scope: "row", role: "rowheader", "data-label": "Number" }, el("div", {}, String(connection.number))),
        cell("Address", connection.address, "anywhere"),
        cell("Session", SESSIONS[connection.session] ?? connection.session),
        cell("Since", since(connection)),
        cell("Waiting", bytes(connection.waiting_bytes)),
        cell("Subscribes to", subscribed(connection)),
      ),
    );
    byId("connections-list").replaceChildren(
      list.length
        ? table("Connections and what they subscribe to", ["Number", "Address", "Session", "Since", "Waiting", "Subscribes to"], rows)
        : search
          ? empty("Nothing found. Search for less: part of an address, or of the name of a package, is enough.")
          : empty("Nobody is connected. Connect a client to see it here: ", el("code", {}, "campanile subscribe --help"), " says how."),
    );
  },
  (error) => {
    byId("connections-status").textContent = said(error);
  },
);

byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  search = byId("search-text").value.trim();
  connections.first();
});

/* Trying a notification. */

let tried = { text: "", search: "" };

// The text of the form; nothing if it is no JSON, which is then said.
function notification() {
  const area = byId("notification-text");
  const text = area.value;
  let wrong = "";
  try {
    JSON.parse(text);
  } catch (error) {
    wrong = text.trim()
      ? `This is no JSON: ${error.message}. Correct it, then try again.`
      : "Write a notification first: at least a package and a page.";
  }
  complain(wrong, wrong !== "");
  return wrong ? null : text;
}

// Says what is wrong, and whether it is the text.
function complain(words, isText) {
  byId("notification-error").textContent = words;
  const area = byId("notification-text");
  area.setAttribute("aria-invalid", String(isText));
  if (words) {
    byId("try-status").textContent = "";
  }
  if (isText) {
    area.focus();
  }
}

const fail = (error) => complain(said(error), error.isAsked === true);

// The column says already whether it matches.
const reason = (line) => {
  const words = line.replace(/^(matches|does not match): /, "");
  return words.charAt(0).toUpperCase() + words.slice(1);
};

// Each reason once, and for how many subscriptions it is.
function reasons(lines) {
  const counts = new Map();
  for (const line of lines) {
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return [...counts].map(([line, count]) => el("li", { class: "fields" }, reason(line), count > 1 ? ` (${count} subscriptions)` : ""));
}

const whys = (connection) =>
  connection.why.length
    ? folded(
        reasons(connection.why),
        { count: connection.more, words: `and ${plural(connection.more, "subscription")} more` },
      )
    : "It subscribes to nothing";

const explained = (list, column) => [
  ["Number", "Address", "Session", column],
  list.map((connection) =>
    row(
      el("th", { scope: "row", role: "rowheader", "data-label": "Number" }, el("div", {}, String(connection.number))),
      cell("Address", connection.address, "anywhere"),
      cell("Session", SESSIONS[connection.session] ?? connection.session),
      cell(column, whys(connection)),
    ),
  ),
];

const others = new Pager(
  byId("others-pages"),
  (page) => ask(`/api/explain?${new URLSearchParams({ search: tried.search, page })}`, tried.text),
  (answer, page) => {
    const { recipients, receiving, others: list } = answer;
    const looked = answer.ran_out ? ` The server looked at ${plural(answer.looked_at, "connection")}; the next page goes on.` : "";
    byId("try-status").textContent = (recipients
      ? `${plural(recipients, "connection")} would receive it.`
      : "Nobody would receive it: below is why.") + looked;
    byId("receiving").replaceChildren(
      receiving.length
        ? table(
            recipients > receiving.length ? `Would receive it: the first ${receiving.length} of ${whole.format(recipients)}` : "Would receive it",
            ...explained(receiving, "Since it"),
          )
        : empty("No connection has a subscription that matches. Compare package, page and values with what clients subscribe to, or connect one that does."),
    );
    byId("others").replaceChildren(
      list.length
        ? table(page > 1 ? `Would not receive it, page ${page}` : "Would not receive it", ...explained(list, "Why not"))
        : empty(
            answer.next !== null
              ? "None was found yet; the next page goes on looking."
              : tried.search
                ? `Nobody else with “${tried.search}”: search for less, or look whether it is among those who would receive it.`
                : "There is nobody else.",
          ),
    );
  },
  fail,
);

byId("notification").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = notification();
  if (text !== null) {
    tried = { text, search: byId("others-search").value.trim() };
    others.first();
  }
});

byId("publish").addEventListener("click", async () => {
  const text = notification();
  if (text === null) {
    return;
  }
  try {
    const { position, recipients } = await ask("/api/publish", text);
    byId("try-status").textContent = `Published to ${plural(recipients, "connection")}, at position ${position}.`;
    for (const list of ["receiving", "others"]) {
      byId(list).replaceChildren();
    }
    byId("others-pages").hidden = true;
  } catch (error) {
    fail(error);
  }
});

/* Events. */

let events = [];
let shownEvents = null;
let allEvents = false;

const isBad = (event) => event.level === "warn" || event.level === "error";

function eventTime(text) {
  const time = new Date(text);
  return Number.isNaN(time.valueOf()) ? text : el("time", { datetime: text, title: moment.format(time) }, clock.format(time));
}

function showEvents() {
  const bad = byId("events-level").value === "bad";
  const all = events.filter((event) => !bad || isBad(event)).reverse();
  const shown = allEvents ? all : all.slice(0, EVENTS_AT_FIRST);
  byId("events-all").hidden = shown.length === all.length;
  const state = `${bad} ${shown.length} ${shown[0]?.number ?? 0}`;
  if (state === shownEvents) {
    return;
  }
  shownEvents = state;
  const rows = shown.map((event) =>
    row(
      cell("Time", eventTime(event.time), "tight"),
      cell("Level", event.level || "–", event.level ? `level-${event.level}` : ""),
      cell("Event", event.event || "–", "tight"),
      cell("Details", event.fields || "–", "fields"),
    ),
  );
  byId("events-list").replaceChildren(
    rows.length
      ? table("Events", ["Time", "Level", "Event", "Details"], rows)
      : bad && events.length
        ? empty("No warning and no error among the last events.")
        : empty("No events yet. If clients come and go and nothing is here, the setting log.level may leave it out."),
  );
}

byId("events-level").addEventListener("change", showEvents);
byId("events-all").addEventListener("click", () => {
  allEvents = true;
  showEvents();
  // The button is gone; the list goes on where it was.
  byId("events-list").focus();
});

async function askForEvents() {
  if (!byId("events-follow").checked) {
    return;
  }
  const answer = await ask(`/api/events?after=${events.at(-1)?.number ?? 0}`);
  if (answer.events.length) {
    events = [...events, ...answer.events].slice(-EVENTS);
  }
  showEvents();
}

/* Going on. */

function begin() {
  history = [];
  events = [];
  layTiles();
  connections.first();
}

function takeStatus(status) {
  // Another server has taken the address: nothing of the one before is true.
  if (history.length && history.at(-1).started !== status.started) {
    begin();
  }
  showAbout(status);
  showNow(status);
  showSettings(status);
  history.push(status);
  history = history.filter((earlier) => status.now - earlier.now <= 2 * LATENCY_SPAN);
}

let timer = null;
let isInTrouble = false;

async function goOn() {
  clearTimeout(timer);
  // Who does not look needs no numbers.
  if (document.hidden) {
    return;
  }
  let pace = PACE;
  try {
    takeStatus(await ask("/api/status"));
    await askForEvents();
    if (isInTrouble) {
      isInTrouble = false;
      byId("trouble").textContent = "";
      connections.first();
    }
  } catch (error) {
    pace = PACE_IN_TROUBLE;
    const words = said(error);
    isInTrouble = true;
    // Said once, not again and again.
    if (byId("trouble").textContent !== words) {
      byId("trouble").textContent = words;
    }
  }
  clearTimeout(timer);
  timer = setTimeout(goOn, pace);
}

document.addEventListener("visibilitychange", goOn);
begin();
goOn();
