// The page for people: which model this is, what it takes and gives, how it fares now, and a form to try it.

import { createHash } from "node:crypto";

import type { ModelMetadata } from "../../models/metadata.ts";
import type { ExecutionPlan, Readiness } from "../../models/served-model.ts";
import type { TensorSpec } from "../../tensors/datatypes.ts";
import type { HttpAnswer } from "../http/exchange.ts";
import { Html, html } from "./html.ts";
import { PAGE_SCRIPT } from "./page-script.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { formatSample, RANDOM, type SampleRequest } from "./sample-request.ts";

export interface PageModel {
  readonly metadata: ModelMetadata;
  readonly plan: ExecutionPlan;
  /** Undefined where the model cannot be asked in JSON. */
  readonly sample: SampleRequest | undefined;
}

export interface PageState {
  readonly name: string;
  readonly readiness: Readiness;
  readonly serverVersion: string;
  /** Undefined before the model is loaded. */
  readonly model: PageModel | undefined;
}

/** How often the page asks for itself again while the model is not there. */
const RELOAD_SECONDS = 2;

const MAX_FORM_ROWS = 24;

/** Nothing but this style, this script and requests to this server, whatever a name or an answer contains. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `script-src '${hashOf(PAGE_SCRIPT)}'`,
  `style-src '${hashOf(PAGE_STYLE)}'`,
  "connect-src 'self'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

function hashOf(text: string): string {
  return `sha256-${createHash("sha256").update(text).digest("base64")}`;
}

/** A ship's load line: a disc with a line through it. */
const MARK = html`<svg class="mark" viewBox="0 0 44 44" aria-hidden="true"><g fill="none" stroke="currentColor" stroke-width="4"><circle cx="22" cy="22" r="13"/><path d="M2 22h40"/></g></svg>`;
const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 44 44'%3E%3Cg fill='none' stroke='%230b6b75' stroke-width='5'%3E%3Ccircle cx='22' cy='22' r='13'/%3E%3Cpath d='M2 22h40'/%3E%3C/g%3E%3C/svg%3E";

export function renderPage(state: PageState): HttpAnswer {
  return {
    status: 200,
    headers: {
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": CONTENT_SECURITY_POLICY,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
      "cache-control": "no-store",
    },
    body: `<!doctype html>\n${page(state).text}\n`,
  };
}

// The paths are relative: the page may be seen through a proxy that puts something before them.
function page(state: PageState): Html {
  const { name, model } = state;
  const path = `v2/models/${encodeURIComponent(name)}`;
  const reload = model === undefined ? html`<meta http-equiv="refresh" content="${RELOAD_SECONDS}">` : html``;
  return html`<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${reload}<title>${name} – Plimsoll</title>
<link rel="icon" href="${ICON}">
<style>${new Html(PAGE_STYLE)}</style>
</head>
<body data-ready="${path}/ready" data-infer="${path}/infer">
<main>
${heading(state)}
${model === undefined ? starting() : loaded(model, path)}
<footer>Served by Plimsoll ${state.serverVersion}.</footer>
</main>
<script>${new Html(PAGE_SCRIPT)}</script>
</body>
</html>`;
}

function heading({ name, readiness, model }: PageState): Html {
  const version = model === undefined ? html`` : html`<p class="version">version ${model.metadata.version}</p>`;
  const words = readiness.ready ? "ready" : readiness.reason;
  return html`<header>${MARK}<div><h1>${name}</h1>${version}</div>
<p class="state" id="state" role="status" data-state="${readiness.ready ? "ready" : "starting"}">${words}</p></header>`;
}

function starting(): Html {
  return html`<p>The model is not loaded yet. This page asks again every ${RELOAD_SECONDS} seconds.</p>
<h2>More</h2>
<nav aria-label="More"><ul><li><a href="metrics">Metrics</a></li></ul></nav>`;
}

function loaded({ metadata, plan, sample }: PageModel, path: string): Html {
  return html`<dl class="facts">${facts(metadata, plan)}</dl>
${figures()}
${tensors("Inputs", metadata.inputs)}
${tensors("Outputs", metadata.outputs)}
${form(sample)}
<h2>More</h2>
<nav aria-label="More"><ul>
<li><a href="${path}/openapi.json">OpenAPI</a></li>
<li><a href="${path}">Metadata</a></li>
<li><a href="${path}/config">Configuration</a></li>
<li><a href="${path}/stats">Statistics</a></li>
<li><a href="metrics">Metrics</a></li>
</ul></nav>`;
}

function facts({ platform }: ModelMetadata, plan: ExecutionPlan): Html[] {
  const { executionProvider, inline, workers, threadsPerWorker, maxBatchSize, ioThreads } = plan;
  const run = inline
    ? `on ${count(ioThreads, "thread")} beside the requests`
    : `by ${count(workers, "worker")} with ${count(threadsPerWorker, "thread")}${workers > 1 ? " each" : ""}`;
  const joined = maxBatchSize > 1 ? `up to ${maxBatchSize} rows at a time` : "each request alone";
  return [fact("Platform", platform), fact("Execution provider", executionProvider), fact("Run", `${run}, ${joined}`)];
}

function fact(name: string, value: string): Html {
  return html`<div><dt>${name}</dt><dd>${value}</dd></div>`;
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

/** Filled by the script; a dash stands for what is not known. */
function figures(): Html {
  return html`<h2>Now</h2>
<dl class="tiles">
<div class="tile"><dt>Requests per second</dt><dd id="rate">–</dd>
<dd class="chart" aria-hidden="true"><svg viewBox="0 0 60 20" preserveAspectRatio="none"><polyline id="sparkline" fill="none" stroke="currentColor" stroke-width="1.5" vector-effect="non-scaling-stroke" points=""/></svg></dd></div>
<div class="tile"><dt>In flight</dt><dd id="in-flight">–</dd><dd class="note">accepted and not yet answered</dd></div>
<div class="tile"><dt>Waiting</dt><dd id="queue">–</dd><dd class="note">accepted and not yet running</dd></div>
<div class="tile"><dt>Time to answer</dt><dd id="latency">–</dd><dd class="note">mean of the last 10 seconds</dd></div>
<div class="tile" id="load-tile" hidden><dt>Load</dt><dd id="load">–</dd>
<dd class="gauge" id="gauge" aria-hidden="true"><span id="gauge-fill"></span></dd><dd class="note" id="lines"></dd></div>
</dl>
<noscript><p class="hint">The figures and the form need JavaScript; the same figures are in <a href="metrics">the metrics</a>.</p></noscript>`;
}

function tensors(title: string, specs: readonly TensorSpec[]): Html {
  if (specs.length === 0) {
    return html`<h2>${title}</h2><p>None.</p>`;
  }
  const rows = specs.map(
    ({ name, datatype, shape }) =>
      html`<tr><th scope="row">${name}</th><td>${datatype}</td><td>${showShape(shape)}</td></tr>`,
  );
  return html`<h2>${title}</h2>
<div class="scroll"><table>
<thead><tr><th scope="col">Name</th><th scope="col">Datatype</th><th scope="col">Shape</th></tr></thead>
<tbody>${rows}</tbody>
</table></div>`;
}

function showShape(shape: readonly number[]): string {
  return shape.length === 0 ? "a single value" : shape.map((size) => (size === -1 ? "any" : size)).join(" × ");
}

function form(sample: SampleRequest | undefined): Html {
  if (sample === undefined) {
    return html`<h2>Try it</h2>
<p>This model takes FP16, which the protocol carries as binary data only, so there is no form for it here.</p>`;
  }
  const hint = sample.inputs.some(({ data }) => data === RANDOM)
    ? html`<p class="hint">"data": "random" stands for as many random values as the shape says; the page puts them in before it sends the request.</p>`
    : html``;
  const text = formatSample(sample);
  const rows = Math.min(MAX_FORM_ROWS, text.split("\n").length + 1);
  return html`<h2>Try it</h2>
<form id="form">
<label for="request">Request, in the Open Inference Protocol's JSON</label>
<textarea id="request" rows="${rows}" spellcheck="false" autocomplete="off">
${text}</textarea>
${hint}
<div class="actions"><button type="submit" id="send">Send</button><button type="reset">Reset</button>
<output id="outcome" for="request" aria-live="polite"></output></div>
<pre id="answer" tabindex="0" aria-label="Answer" hidden></pre>
</form>`;
}
