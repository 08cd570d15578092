// Sends requests to a service at a steady rate, not waiting for answers, and counts what becomes of them.

import { request } from "node:http";

export class RequestLoad {
  answered = 0;
  rejected = 0;
  readonly failures: string[] = [];
  readonly #url: URL;
  readonly #body: string;
  #timer: NodeJS.Timeout | undefined;

  /** `body` is sent to `url` with each request, every time over a connection of its own. */
  constructor(url: URL, body: object) {
    this.#url = url;
    this.#body = JSON.stringify(body);
  }

  setRate(perSecond: number): void {
    clearInterval(this.#timer);
    this.#timer = perSecond === 0 ? undefined : setInterval(() => this.#send(), 1000 / perSecond);
  }

  #send(): void {
    const sent = request(this.#url, { method: "POST", agent: false, timeout: 20_000 }, (response) => {
      response.resume();
      if (response.statusCode === 200) this.answered++;
      else if (response.statusCode === 503) this.rejected++;
      else this.failures.push(`status ${response.statusCode}`);
    });
    sent.on("timeout", () => sent.destroy(new Error("no answer within 20 s")));
    sent.on("error", (error) => this.failures.push(error.message));
    sent.end(this.#body);
  }
}
