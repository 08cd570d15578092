// One ModelStreamInfer call: many requests on one stream, run side by side and answered in their order.

import { constants } from "node:http2";

import { ServerInterceptingCall, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";

import { Cancellation } from "../../cancellation.ts";
import { ArrivingMessage } from "./arriving-message.ts";
import { answeredStatus, type CallInternals, stopSending } from "./call-internals.ts";
import type { CallOptions, OpenCall } from "./call-options.ts";
import { encodeStreamError, encodeStreamResponse } from "./encode.ts";
import { infer, readRequest } from "./infer.ts";
import type { InferRequest } from "./infer-request.ts";
import {
  type CallStatus,
  httpStatusOf,
  LATE,
  NO_ROOM,
  OK,
  TOO_MANY_ANSWERS,
  TOO_MANY_COMPRESSED,
  toStatus,
} from "./status.ts";

/** Requests of one stream that may be without an answer; further ones are not read until there is one. */
const MAX_UNANSWERED = 64;

interface StreamRequest {
  readonly arrivedAtMs: number;
  readonly message: ArrivingMessage;
  readonly cancellation: Cancellation;
}

interface StreamAnswer {
  readonly message: Buffer;
  readonly code: status;
}

export class StreamCall extends ServerInterceptingCall implements OpenCall {
  readonly #call: ServerInterceptingCallInterface;
  readonly #options: CallOptions;
  readonly #internals: CallInternals;
  readonly #unanswered = new Set<StreamRequest>();
  /** The next one. */
  #message: ArrivingMessage;
  #lastAnswer: Promise<void> = Promise.resolve();
  #readsWhenAnswered = false;
  #halfClosed = false;
  #finishing = false;
  #hasSlot = false;
  /** Of the answer that is being written. */
  #writingSinceMs: number | undefined;
  #sent = false;
  readonly #over = Promise.withResolvers<void>();
  #ended = false;

  constructor(call: ServerInterceptingCallInterface, internals: CallInternals, options: CallOptions) {
    super(call);
    this.#call = call;
    this.#options = options;
    this.#internals = internals;
    this.#message = new ArrivingMessage(options.budget);
  }

  /** The listener of the handler is not used. */
  override start(): void {
    this.#call.start({
      onReceiveMetadata: () => this.#onArrival(),
      onReceiveMessage: (message: Buffer) => this.#onMessage(message),
      onReceiveHalfClose: () => {
        this.#halfClosed = true;
        this.#endWhenAnswered();
      },
      onCancel: () => this.#onEnd(),
    });
  }

  finish(): void {
    this.#finishing = true;
    this.#endWhenAnswered();
  }

  check(nowMs: number, impatient: boolean): void {
    const since = this.#writingSinceMs;
    const waitsForTaking = since !== undefined && (impatient || nowMs - since >= this.#options.unsent.timeoutMs);
    if (waitsForTaking || (impatient && this.#unanswered.size === 0)) {
      this.#internals.stream.close(constants.NGHTTP2_CANCEL);
    } else if (this.#message.isLate(nowMs)) {
      this.#send(LATE);
    }
  }

  #onArrival(): void {
    const { context, open, slots, unsent } = this.#options;
    const { stream, compressed } = this.#internals;
    open.add(this);
    if (unsent.isFull) {
      this.#send(TOO_MANY_ANSWERS);
      return;
    }
    // The client decides when its next message comes, so there is no waiting for a slot.
    if (compressed && !slots.tryTake()) {
      this.#send(TOO_MANY_COMPRESSED);
      return;
    }
    this.#hasSlot = compressed;
    stream.on("data", (chunk: Buffer) => {
      if (!this.#ended && !this.#message.add(chunk.length, context.clock())) {
        this.#send(NO_ROOM);
      }
    });
    this.#call.startRead();
  }

  #onMessage(message: Buffer): void {
    const { budget, context, connections } = this.#options;
    const request = { arrivedAtMs: context.clock(), message: this.#message, cancellation: new Cancellation() };
    this.#message = new ArrivingMessage(budget);
    this.#unanswered.add(request);
    context.metrics.requestReceived("v2-grpc");
    connections.callBegan();
    const answer = this.#run(message, request.cancellation);
    this.#lastAnswer = this.#lastAnswer.then(() => this.#deliver(request, answer));
    if (this.#unanswered.size < MAX_UNANSWERED) {
      this.#read();
    } else {
      this.#readsWhenAnswered = true;
    }
  }

  #read(): void {
    if (!this.#finishing) {
      this.#call.startRead();
    }
  }

  /** Never rejects. */
  async #run(message: Buffer, cancellation: Cancellation): Promise<StreamAnswer> {
    const { context, wallClock } = this.#options;
    const answer = (response: Buffer, code: status): StreamAnswer => {
      this.#options.unsent.add(response.length);
      return { message: response, code };
    };
    let request: InferRequest | undefined;
    try {
      request = readRequest(message, context.model);
      const remainingMs = Number(this.#call.getDeadline()) - wallClock();
      const response = await infer(request, context.model, remainingMs, cancellation);
      return answer(encodeStreamResponse(response), status.OK);
    } catch (error) {
      const { code, details } = toStatus(error, context.log);
      return answer(encodeStreamError(details, request?.id ?? ""), code);
    }
  }

  async #deliver(request: StreamRequest, answer: Promise<StreamAnswer>): Promise<void> {
    const { message, code } = await answer;
    if (!this.#ended) {
      const { promise: written, resolve } = Promise.withResolvers<void>();
      this.#writingSinceMs = this.#options.context.clock();
      this.#call.sendMessage(message, resolve);
      await Promise.race([written, this.#over.promise]);
      this.#writingSinceMs = undefined;
    }
    this.#options.unsent.remove(message.length);
    this.#count(request, code);
    if (this.#readsWhenAnswered) {
      this.#readsWhenAnswered = false;
      this.#read();
    }
    this.#endWhenAnswered();
  }

  #endWhenAnswered(): void {
    if (this.#unanswered.size > 0 || this.#sent) {
      return;
    }
    if (this.#halfClosed) {
      this.#send(OK);
    } else if (this.#finishing) {
      // Requests that are on their way are lost with it: the client must know that it has to repeat them.
      this.#send({ code: status.UNAVAILABLE, details: "server is stopping" });
    }
  }

  #send(answer: CallStatus): void {
    this.#sent = true;
    this.#call.sendStatus(answer);
  }

  /** Once for each request. */
  #count(request: StreamRequest, code: number): void {
    if (this.#unanswered.delete(request)) {
      const { context, connections } = this.#options;
      request.message.share.release();
      context.metrics.requestEnded("v2-grpc", httpStatusOf(code), (context.clock() - request.arrivedAtMs) / 1000);
      connections.callEnded(this.#internals.session);
    }
  }

  #onEnd(): void {
    if (this.#ended) {
      return;
    }
    this.#ended = true;
    if (!this.#halfClosed) {
      stopSending(this.#internals);
    }
    this.#over.resolve();
    this.#message.share.release();
    if (this.#hasSlot) {
      this.#options.slots.release();
    }
    this.#options.open.delete(this);
    const code = answeredStatus(this.#internals.stream) ?? status.CANCELLED;
    for (const request of this.#unanswered) {
      request.cancellation.cancel();
      this.#count(request, code);
    }
  }
}
