// What runs in the page: the live figures, and the form. Plain JavaScript for browsers, which nothing compiles.

export const PAGE_SCRIPT = String.raw`
"use strict";
const POLL_MS = 2000;
const KEPT = 60;
const LATENCY_SAMPLES = 5;
const byId = (id) => document.getElementById(id);
const { ready: readyPath, infer: inferPath } = document.body.dataset;

/** Prometheus' text as a list of { name, labels, value }. */
function parseMetrics(text) {
  const series = [];
  for (const [, name, labelText = "", value] of text.matchAll(/^([a-z_:]+)(?:\{(.*)\})? (\S+)$/gim)) {
    const labels = Object.fromEntries([...labelText.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((match) => match.slice(1)));
    series.push({ name, labels, value: Number(value) });
  }
  return series;
}

const find = (series, name) => series.filter((one) => one.name === name);
const sum = (series, name) => find(series, name).reduce((total, { value }) => total + value, 0);
const byProtocol = (series, name) => Object.fromEntries(find(series, name).map(({ labels, value }) => [labels.protocol, value]));

/** Three digits are enough to see how it goes. */
function show(value, unit = "") {
  if (value === undefined || !Number.isFinite(value)) {
    return "–";
  }
  const digits = value !== 0 && Math.abs(value) < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 };
  return value.toLocaleString("en", digits) + unit;
}

const samples = [];

function takeSample(text) {
  const series = parseMetrics(text);
  samples.push({
    at: performance.now() / 1000,
    received: byProtocol(series, "plimsoll_requests_received_total"),
    inFlight: sum(series, "plimsoll_requests_in_flight"),
    queue: sum(series, "plimsoll_queue_depth"),
    seconds: sum(series, "plimsoll_request_duration_seconds_sum"),
    answered: sum(series, "plimsoll_request_duration_seconds_count"),
    lines: byProtocol(series, "plimsoll_load_line_requests_per_second"),
  });
  if (samples.length > KEPT + 1) {
    samples.shift();
  }
}

/** Requests per second by protocol between two samples; undefined after a restart of the server. */
function rates(before, after) {
  const seconds = after.at - before.at;
  const all = Object.entries(after.received).map(([protocol, count]) => [protocol, (count - (before.received[protocol] ?? 0)) / seconds]);
  return all.every(([, rate]) => rate >= 0) ? Object.fromEntries(all) : undefined;
}

const total = (rate) => (rate === undefined ? undefined : Object.values(rate).reduce((all, one) => all + one, 0));

function showFigures() {
  const last = samples.at(-1);
  const previous = samples.at(-2);
  byId("in-flight").textContent = show(last.inFlight);
  byId("queue").textContent = show(last.queue);
  const rate = previous && rates(previous, last);
  byId("rate").textContent = show(total(rate));
  const first = samples.at(-1 - LATENCY_SAMPLES) ?? samples[0];
  const answered = last.answered - first.answered;
  byId("latency").textContent = answered > 0 ? show((1000 * (last.seconds - first.seconds)) / answered, " ms") : "–";
  showLoad(rate, last.lines);
  drawRates();
}

/** How much of what this replica takes is asked of it, each protocol by its own load line. */
function showLoad(rate, lines) {
  const known = Object.entries(lines);
  byId("load-tile").hidden = known.length === 0;
  const load = rate && known.reduce((all, [protocol, line]) => all + (rate[protocol] ?? 0) / line, 0);
  byId("load").textContent = load === undefined ? "–" : show(100 * load, " %");
  byId("gauge").classList.toggle("over", load > 1);
  byId("gauge-fill").style.width = Math.min(100, 100 * (load ?? 0)) + "%";
  byId("lines").textContent = "of " + known.map(([protocol, line]) => show(line) + "/s " + protocol).join(", ");
}

function drawRates() {
  const points = samples.slice(1).map((sample, index) => total(rates(samples[index], sample)) ?? 0);
  const highest = Math.max(...points, 1);
  const start = KEPT - points.length;
  byId("sparkline").setAttribute("points", points.map((point, index) => start + index + "," + (19 - (18 * point) / highest)).join(" "));
}

function showState(state, words) {
  const element = byId("state");
  if (element.textContent !== words) {
    element.textContent = words;
  }
  element.dataset.state = state;
}

async function poll() {
  if (document.hidden) {
    return;
  }
  try {
    const [metrics, readiness] = await Promise.all([fetch("metrics"), fetch(readyPath)]);
    takeSample(await metrics.text());
    showFigures();
    const { ready, error } = await readiness.json();
    showState(ready ? "ready" : "starting", ready ? "ready" : (error ?? "not ready"));
  } catch {
    showState("gone", "not reachable");
  }
}

/** Data of the tensor's size where the form says "random". */
function fill(input) {
  if (input.data !== "random") {
    return input;
  }
  const count = input.shape.reduce((product, size) => product * size, 1);
  const bit = () => Math.round(Math.random());
  const element = {
    FP32: () => Number((2 * Math.random() - 1).toFixed(4)),
    FP64: () => 2 * Math.random() - 1,
    BOOL: () => bit() === 1,
    BYTES: () => (bit() === 1 ? "a" : "b"),
  }[input.datatype] ?? bit;
  return { ...input, data: Array.from({ length: count }, element) };
}

/** The request as it is sent: what is no JSON, or of another shape, goes as it is, to show what the server says of it. */
function toBody(text) {
  if (!text.includes('"random"')) {
    return text;
  }
  try {
    const request = JSON.parse(text);
    return JSON.stringify({ ...request, inputs: request.inputs.map(fill) });
  } catch {
    return text;
  }
}

const MAX_SHOWN = 20000;

/** The answer in words: JSON, and how many bytes follow it. */
function describe(bytes, jsonLength) {
  const length = jsonLength === null ? bytes.length : Number(jsonLength);
  const text = new TextDecoder().decode(bytes.subarray(0, length));
  const rest = bytes.length - length;
  const shown = text.length > MAX_SHOWN ? text.slice(0, MAX_SHOWN) + "\n… and " + show(text.length - MAX_SHOWN) + " characters more" : text;
  return rest > 0 ? shown + "\n… and " + show(rest) + " bytes of tensor data" : shown;
}

async function send(event) {
  event.preventDefault();
  const button = byId("send");
  const outcome = byId("outcome");
  button.disabled = true;
  outcome.textContent = "waiting for the answer";
  delete outcome.dataset.good;
  try {
    const body = toBody(byId("request").value);
    const startedAt = performance.now();
    const response = await fetch(inferPath, { method: "POST", headers: { "content-type": "application/json" }, body });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const milliseconds = performance.now() - startedAt;
    outcome.textContent = response.status + " " + response.statusText + " after " + show(milliseconds, " ms");
    outcome.dataset.good = response.ok;
    byId("answer").textContent = describe(bytes, response.headers.get("inference-header-content-length"));
    byId("answer").hidden = false;
  } catch (error) {
    outcome.textContent = "no answer: " + error.message;
    outcome.dataset.good = false;
  } finally {
    button.disabled = false;
  }
}

byId("form")?.addEventListener("submit", send);
if (byId("rate")) {
  poll();
  setInterval(poll, POLL_MS);
}
`;
