// One ModelInfer call: counted, admitted before its message is read, run, answered, or left by its client.

import { constants } from "node:http2";

import { ServerInterceptingCall, type ServerInterceptingCallInterface, status } from "@grpc/grpc-js";

import { Cancellation } from "../../cancellation.ts";
import { InferenceError } from "../../inference-error.ts";
import { ArrivingMessage } from "./arriving-message.ts";
import { answeredStatus, type CallInternals, stopSending } from "./call-internals.ts";
import type { CallOptions, OpenCall } from "./call-options.ts";
import { encodeInferResponse } from "./encode.ts";
import { infer, readRequest } from "./infer.ts";
import { type CallStatus, httpStatusOf, LATE, NO_ROOM, OK, TOO_MANY_ANSWERS, toStatus } from "./status.ts";

/** Takes the place of a handler: that would be asked only once the whole message is there. */
export class UnaryCall extends ServerInterceptingCall implements OpenCall {
  readonly #call: ServerInterceptingCallInterface;
  readonly #options: CallOptions;
  readonly #internals: CallInternals;
  readonly #cancellation = new Cancellation();
  readonly #arrivedAtMs: number;
  readonly #message: ArrivingMessage;
  #hasSlot = false;
  #hasMessage = false;
  #halfClosed = false;
  /** What this server answered, as far as it did. */
  #sent: status | undefined;
  #answerBytes = 0;
  #answeredAtMs = 0;
  #written = false;
  #ended = false;

  constructor(call: ServerInterceptingCallInterface, internals: CallInternals, options: CallOptions) {
    super(call);
    this.#call = call;
    this.#options = options;
    this.#internals = internals;
    this.#arrivedAtMs = options.context.clock();
    this.#message = new ArrivingMessage(options.budget);
  }

  /** The listener of the handler is not used. */
  override start(): void {
    this.#call.start({
      onReceiveMetadata: () => this.#onArrival(),
      onReceiveMessage: (message: Buffer) => this.#onMessage(message),
      onReceiveHalfClose: () => this.#onHalfClose(),
      // Also after an answer: grpc-js calls it whenever a call is over.
      onCancel: () => this.#onEnd(),
    });
  }

  finish(): void {
    // It has its one answer to come.
  }

  check(nowMs: number, impatient: boolean): void {
    if (this.#sent !== undefined) {
      if (impatient || nowMs - this.#answeredAtMs >= this.#options.unsent.timeoutMs) {
        this.#internals.stream.close(constants.NGHTTP2_CANCEL);
      }
    } else if (!this.#hasMessage && (impatient || this.#message.isLate(nowMs))) {
      this.#send(LATE);
    }
  }

  #onArrival(): void {
    const { context, connections, open, slots, unsent } = this.#options;
    const { stream, compressed } = this.#internals;
    context.metrics.requestReceived("v2-grpc");
    connections.callBegan();
    open.add(this);
    try {
      context.model.admit();
    } catch (error) {
      this.#refuse(error);
      return;
    }
    if (unsent.isFull) {
      this.#send(TOO_MANY_ANSWERS);
      return;
    }
    stream.on("data", (chunk: Buffer) => {
      if (!this.#ended && !this.#message.add(chunk.length, context.clock())) {
        this.#send(NO_ROOM);
      }
    });
    if (compressed) {
      slots.take(() => this.#readCompressed());
    } else {
      this.#read();
    }
  }

  #readCompressed(): void {
    this.#hasSlot = true;
    if (this.#ended) {
      this.#releaseSlot();
    } else {
      this.#read();
    }
  }

  #read(): void {
    this.#message.expect(this.#options.context.clock());
    this.#call.startRead();
  }

  #onMessage(message: Buffer): void {
    this.#releaseSlot();
    if (this.#hasMessage) {
      this.#refuse(new InferenceError("UNSUPPORTED", "ModelInfer takes one request message"));
      return;
    }
    this.#hasMessage = true;
    void this.#answer(message);
    this.#call.startRead();
  }

  #onHalfClose(): void {
    this.#halfClosed = true;
    if (!this.#hasMessage) {
      // A connection that breaks looks the same at first.
      setImmediate(() => {
        this.#refuse(new InferenceError("UNSUPPORTED", "ModelInfer takes one request message; none came"));
      });
    }
  }

  async #answer(message: Buffer): Promise<void> {
    const { model } = this.#options.context;
    try {
      const request = readRequest(message, model);
      const response = await infer(request, model, this.#remainingMs(), this.#cancellation);
      if (this.#sent === undefined && !this.#ended) {
        this.#sendAnswer(encodeInferResponse(response));
      }
    } catch (error) {
      // At the deadline grpc-js answers by itself.
      if (this.#remainingMs() > 0) {
        this.#refuse(error);
      }
    }
  }

  #remainingMs(): number {
    return Number(this.#call.getDeadline()) - this.#options.wallClock();
  }

  #sendAnswer(answer: Buffer): void {
    this.#answerBytes = answer.length;
    this.#options.unsent.add(answer.length);
    this.#call.sendMessage(answer, () => {
      this.#written = true;
    });
    // Not only when it is written: so both go out in one piece.
    this.#send(OK);
  }

  #refuse(error: unknown): void {
    if (!this.#ended) {
      this.#send(toStatus(error, this.#options.context.log));
    }
  }

  #send(answer: CallStatus): void {
    this.#sent ??= answer.code;
    this.#answeredAtMs = this.#options.context.clock();
    this.#call.sendStatus(answer);
  }

  #releaseSlot(): void {
    if (this.#hasSlot) {
      this.#hasSlot = false;
      this.#options.slots.release();
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
    this.#releaseSlot();
    this.#cancellation.cancel();
    this.#message.share.release();
    const { context, connections, open, unsent } = this.#options;
    open.delete(this);
    unsent.remove(this.#answerBytes);
    const seconds = (context.clock() - this.#arrivedAtMs) / 1000;
    context.metrics.requestEnded("v2-grpc", httpStatusOf(this.#outcome()), seconds);
    connections.callEnded(this.#internals.session);
  }

  #outcome(): number {
    if (this.#sent !== undefined) {
      return this.#sent === status.OK && !this.#written ? status.CANCELLED : this.#sent;
    }
    // Answered by grpc-js itself, for example at the deadline, or not at all.
    return answeredStatus(this.#internals.stream) ?? status.CANCELLED;
  }
}
