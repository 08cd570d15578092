// Compresses answers for clients that ask for it with Accept-Encoding.

import { once } from "node:events";
import { constants, createDeflate, createGzip } from "node:zlib";

import type { HttpAnswer } from "./exchange.ts";

/** Below about one network packet there is nothing to gain. */
const MIN_BYTES = 1400;

/** Floats hardly become smaller with more effort, and every millisecond is taken from the model. */
const OPTIONS = { level: constants.Z_BEST_SPEED, chunkSize: 64 * 1024 };

type Encoding = "gzip" | "deflate" | "identity";

/**
 * The answer compressed with what the client prefers of gzip and deflate, or the answer as it is: where it is small or
 * the client does not ask for either. Other headers stay: Inference-Header-Content-Length counts uncompressed bytes.
 */
export async function compressAnswer(answer: HttpAnswer, acceptEncoding: string): Promise<HttpAnswer> {
  const parts = toParts(answer.body);
  const length = parts.reduce((total, part) => total + part.length, 0);
  const encoding = length < MIN_BYTES ? "identity" : chooseEncoding(acceptEncoding);
  if (encoding === "identity") {
    return answer;
  }
  const vary = [answer.headers?.["vary"], "accept-encoding"].filter((name) => name !== undefined).join(", ");
  return {
    status: answer.status,
    headers: { ...answer.headers, "content-encoding": encoding, vary },
    body: await compress(parts, encoding),
  };
}

function toParts(body: HttpAnswer["body"]): readonly Uint8Array[] {
  if (typeof body === "string") {
    return [Buffer.from(body)];
  }
  return body instanceof Uint8Array ? [body] : body;
}

/** The one of most weight (`q`), the first of equals; identity where none of the three is named. */
export function chooseEncoding(acceptEncoding: string): Encoding {
  let best: Encoding = "identity";
  let bestWeight = 0;
  for (const item of acceptEncoding.toLowerCase().split(",")) {
    const [name = "", ...parameters] = item.split(";").map((part) => part.trim());
    const encoding = toEncoding(name);
    const weight = readWeight(parameters);
    if (encoding !== undefined && weight > bestWeight) {
      best = encoding;
      bestWeight = weight;
    }
  }
  return best;
}

function toEncoding(name: string): Encoding | undefined {
  switch (name) {
    case "gzip":
    case "x-gzip":
    case "*":
      return "gzip";
    case "deflate":
    case "identity":
      return name;
    default:
      return undefined;
  }
}

/** 0, which means never, where it cannot be read. */
function readWeight(parameters: readonly string[]): number {
  const weight = parameters.find((parameter) => parameter.startsWith("q="));
  return weight === undefined ? 1 : Number(/^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(weight)?.[1] ?? 0);
}

/** Off this thread, and without joining the parts first. */
async function compress(parts: readonly Uint8Array[], encoding: "gzip" | "deflate"): Promise<Buffer[]> {
  const compressor = encoding === "gzip" ? createGzip(OPTIONS) : createDeflate(OPTIONS);
  const compressed: Buffer[] = [];
  compressor.on("data", (chunk: Buffer) => compressed.push(chunk));
  for (const part of parts) {
    compressor.write(part);
  }
  compressor.end();
  await once(compressor, "end");
  return compressed;
}
