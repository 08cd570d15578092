// One gRPC call over and over on several connections, without a gRPC library: that would cost the start more than the calls do.

import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";

import type { Probe } from "./probe.ts";
import type { ProbeTally } from "./probe-tally.ts";

const HEADERS = {
  ":method": "POST",
  ":path": "/inference.GRPCInferenceService/ModelInfer",
  "content-type": "application/grpc",
  te: "trailers",
};
/** Not compressed, and the length of the message. */
const PREFIX_BYTES = 5;

/** Rejects where a connection cannot be had. */
export async function openGrpc(port: number, connections: number): Promise<Probe> {
  const sessions = await Promise.all(Array.from({ length: connections }, () => open(port)));
  return {
    keepBusy: async (message, tally) => {
      const request = framed(message);
      await Promise.all(sessions.map((session) => keepCalling(session, request, tally)));
    },
    end: () => {
      for (const session of sessions) {
        session.destroy();
      }
    },
  };
}

async function open(port: number): Promise<ClientHttp2Session> {
  const session = connect(`http://127.0.0.1:${port}`);
  await once(session, "connect");
  // Its calls fail by themselves.
  session.on("error", () => undefined);
  return session;
}

function framed(message: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** One call after the other, as long as they are answered; one at least: the time may have run out before the first. */
async function keepCalling(session: ClientHttp2Session, request: Buffer, tally: ProbeTally): Promise<void> {
  let ok = true;
  do {
    ok = !session.closed && !session.destroyed && (await call(session, request));
    tally.ended(ok);
  } while (ok && tally.running);
}

/** Whether there was an answer. */
async function call(session: ClientHttp2Session, request: Buffer): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  let ok = false;
  const stream = session.request(HEADERS);
  stream.on("trailers", (trailers) => {
    ok = trailers["grpc-status"] === "0";
  });
  stream.on("error", () => undefined);
  stream.on("close", () => resolve(ok));
  stream.resume();
  stream.end(request);
  return promise;
}
