// The load generator, a process of its own: sends requests at the rate it is told, and never waits for an answer to send the next.
//
//   node load.ts URL BODY_FILE EXPECTED_FILE
//
// EXPECTED_FILE holds the JSON list of classes that a right answer has. Each line on stdin is a rate per second; the end of stdin is the
// end of the load: what is under way ends, then the process. Each line on stdout is a LoadReport, one per second, and a last one.

import { readFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { Arrivals, seededRandom } from "./arrivals.ts";
import { outputData } from "./reading.ts";
import { classesOutput } from "./recognition-model.ts";
import { type Outcome, RequestAccount } from "./request-account.ts";

/** A request that has no whole answer by then is lost. A server lets no request wait for more than 30 s. */
const deadlineMs = 60_000;
const reportIntervalMs = 1000;
const seed = 4711;

interface Ending {
  readonly outcome: Outcome;
  readonly reason?: string;
}

class LoadGenerator {
  readonly account = new RequestAccount();
  readonly #arrivals = new Arrivals(seededRandom(seed));
  readonly #url: URL;
  readonly #body: Buffer;
  readonly #expected: string;
  #timer: NodeJS.Timeout | undefined;

  constructor(url: URL, body: Buffer, expectedClasses: readonly number[]) {
    this.#url = url;
    this.#body = body;
    this.#expected = String(expectedClasses);
  }

  get ratePerSecond(): number {
    return this.#arrivals.ratePerSecond;
  }

  setRate(ratePerSecond: number): void {
    this.#sendDue();
    this.account.startPhase();
    this.#change(ratePerSecond);
  }

  /** No request from now on; the phase stays, so that its last requests are counted in it. */
  stop(): void {
    this.#sendDue();
    this.#change(0);
  }

  #change(ratePerSecond: number): void {
    this.#arrivals.setRate(ratePerSecond, performance.now());
    this.#schedule();
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    const { nextMs } = this.#arrivals;
    if (nextMs < Number.POSITIVE_INFINITY) {
      this.#timer = setTimeout(
        () => {
          this.#sendDue();
          this.#schedule();
        },
        Math.max(0, nextMs - performance.now()),
      );
    }
  }

  #sendDue(): void {
    for (const scheduledMs of this.#arrivals.take(performance.now())) {
      const end = this.account.send(scheduledMs, performance.now());
      this.#infer((ending) => end(ending.outcome, performance.now(), ending.reason));
    }
  }

  /** One connection per request: a Service spreads connections, so a new replica gets its share with the next request. */
  #infer(end: (ending: Ending) => void): void {
    const lost = (error: Error & { code?: string }) => end({ outcome: "lost", reason: error.code ?? error.message });
    const headers = { "content-type": "application/json", "content-length": this.#body.length };
    const signal = AbortSignal.timeout(deadlineMs);
    const sending = request(this.#url, { method: "POST", agent: false, headers, signal }, (response) => {
      this.#read(response).then(end, lost);
    });
    sending.on("error", (error) => lost(signal.aborted ? new Error(`no answer in ${deadlineMs / 1000} s`) : error));
    sending.end(this.#body);
  }

  async #read(response: IncomingMessage): Promise<Ending> {
    let body = "";
    for await (const chunk of response.setEncoding("utf8")) {
      body += chunk;
    }
    if (response.statusCode === 503) {
      return { outcome: "rejected" };
    }
    if (response.statusCode !== 200) {
      return { outcome: "lost", reason: `status ${response.statusCode}` };
    }
    const right = String(outputData(body, classesOutput)) === this.#expected;
    return right ? { outcome: "answered" } : { outcome: "lost", reason: "wrong answer" };
  }
}

async function main([url, bodyFile, expectedFile]: readonly string[]): Promise<void> {
  if (url === undefined || bodyFile === undefined || expectedFile === undefined) {
    throw new Error("usage: node load.ts URL BODY_FILE EXPECTED_FILE");
  }
  const expected = JSON.parse(readFileSync(expectedFile, "utf8")) as number[];
  const generator = new LoadGenerator(new URL(url), readFileSync(bodyFile), expected);
  const report = () =>
    process.stdout.write(`${JSON.stringify(generator.account.report(performance.now(), generator.ratePerSecond))}\n`);
  const reporting = setInterval(report, reportIntervalMs);
  for await (const line of createInterface({ input: process.stdin })) {
    generator.setRate(parseRate(line));
  }
  generator.stop();
  while (generator.account.inFlight > 0) {
    await sleep(20);
  }
  clearInterval(reporting);
  report();
}

function parseRate(line: string): number {
  const rate = Number(line);
  if (!(rate >= 0 && rate <= 10_000)) {
    throw new RangeError(`the rate is ${JSON.stringify(line)}: allowed are requests per second from 0 to 10000`);
  }
  return rate;
}

await main(process.argv.slice(2));
