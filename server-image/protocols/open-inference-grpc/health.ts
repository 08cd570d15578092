// grpc.health.v1, which probes, proxies and clients ask: the same readiness as everywhere else.

import { type handleServerStreamingCall, type Server, type ServerWritableStream, status } from "@grpc/grpc-js";

import { InferenceError } from "../../inference-error.ts";
import type { ProtocolContext } from "../context.ts";
import { serverReadiness } from "../find-model.ts";
import { type Fields, methodCodec } from "./messages.ts";
import { registerUnary } from "./register.ts";
import { INFERENCE_SERVICE } from "./service.ts";

const SERVICE = "grpc.health.v1.Health";

/** The server as a whole, and the service in it that depends on the model. */
const SERVICES = ["", INFERENCE_SERVICE];

/** Readiness tells nobody when it changes. */
const POLL_MS = 500;

type Watcher = ServerWritableStream<Fields, Fields>;

export class Health {
  readonly #context: ProtocolContext;
  readonly #watchers = new Map<Watcher, string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(context: ProtocolContext) {
    this.#context = context;
  }

  register(server: Server): void {
    const { log } = this.#context;
    registerUnary(server, methodCodec(SERVICE, "Check"), ({ service }) => this.#check(String(service)), log);
    registerUnary(server, methodCodec(SERVICE, "List"), () => this.#list(), log);
    const { path, decodeRequest, encodeResponse } = methodCodec(SERVICE, "Watch");
    const handle: handleServerStreamingCall<Fields, Fields> = (call) => this.#watch(call);
    server.register(path, handle, encodeResponse, decodeRequest, "serverStream");
  }

  /** Tells those who watch what has changed. */
  update(): void {
    for (const [watcher, last] of this.#watchers) {
      const now = this.#status(String(watcher.request["service"]));
      if (now !== last) {
        this.#watchers.set(watcher, now);
        watcher.write({ status: now });
      }
    }
  }

  /** Ends all watching; clients that go on take it up with another server. */
  close(): void {
    for (const watcher of this.#watchers.keys()) {
      watcher.emit("error", { code: status.UNAVAILABLE, details: "server is stopping" });
    }
  }

  #status(service: string): string {
    if (!SERVICES.includes(service)) {
      return "SERVICE_UNKNOWN";
    }
    return serverReadiness(this.#context).ready ? "SERVING" : "NOT_SERVING";
  }

  #check(service: string): Fields {
    const found = this.#status(service);
    if (found === "SERVICE_UNKNOWN") {
      throw new InferenceError(
        "NOT_FOUND",
        `no service ${JSON.stringify(service)}; there are "" and "${INFERENCE_SERVICE}"`,
      );
    }
    return { status: found };
  }

  #list(): Fields {
    return { statuses: Object.fromEntries(SERVICES.map((service) => [service, { status: this.#status(service) }])) };
  }

  #watch(watcher: Watcher): void {
    const found = this.#status(String(watcher.request["service"]));
    this.#watchers.set(watcher, found);
    this.#timer ??= setInterval(() => this.update(), POLL_MS).unref();
    watcher.once("cancelled", () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) {
        clearInterval(this.#timer);
        this.#timer = undefined;
      }
    });
    watcher.write({ status: found });
  }
}
