// Cross-origin resource sharing: lets pages of other origins call the model from a browser, where that was asked for.

import { errorAnswer, type HttpAnswer, type HttpRequest } from "./exchange.ts";
import type { HttpHandler } from "./listener.ts";

/** `*`: pages of all origins; else those listed, as browsers write them. */
export type AllowedOrigins = "*" | readonly string[];

const METHODS = "GET, HEAD, POST";
/** What requests of the protocols have that a page may not set unasked. */
const REQUEST_HEADERS = "Content-Type, Content-Encoding, Inference-Header-Content-Length";
/** What answers of the protocols have that a page may not read unasked. */
const RESPONSE_HEADERS = "Inference-Header-Content-Length, Retry-After";
/** Browsers do not keep the permission longer than this. */
const MAX_AGE_SECONDS = "7200";

/** As in TensorFlow Serving: no preflight comes from anything else. */
const WEB_ORIGIN = /^https?:\/\//;

/** `*`, or origins with commas between them. Throws an Error that says what is allowed. */
export function parseAllowedOrigins(text: string): AllowedOrigins {
  if (text.trim() === "*") {
    return "*";
  }
  const origins = text.split(",").map((origin) => origin.trim());
  for (const origin of origins) {
    if (!WEB_ORIGIN.test(origin) || !URL.canParse(origin) || new URL(origin).origin !== origin) {
      throw new Error(
        `${JSON.stringify(origin)} is no origin. Give *, or origins with commas between them, ` +
          "for example https://app.example.com,http://localhost:3000.",
      );
    }
  }
  return origins;
}

/** The handler itself where nothing is allowed: then requests of other origins cost nothing, and browsers refuse them. */
export function allowOrigins(allowed: AllowedOrigins | undefined, handle: HttpHandler): HttpHandler {
  if (allowed === undefined) {
    return handle;
  }
  return async (request) => {
    if (request.method === "OPTIONS") {
      return answerPreflight(allowed, request);
    }
    const answer = await handle(request);
    return { ...answer, headers: addGrant(answer.headers, grant(allowed, request)) };
  };
}

/** The question of a browser whether a page may send its request. */
function answerPreflight(allowed: AllowedOrigins, request: HttpRequest): HttpAnswer {
  const { origin } = request.headers;
  if (origin === undefined || !WEB_ORIGIN.test(origin)) {
    return errorAnswer(400, "OPTIONS needs the header Origin with an origin of http or https");
  }
  const granted = grant(allowed, request);
  if (granted["access-control-allow-origin"] === undefined) {
    return errorAnswer(403, `origin ${JSON.stringify(origin)} is not allowed (--cors-allow-origin)`, granted);
  }
  return {
    status: 200,
    headers: {
      ...granted,
      "access-control-allow-methods": METHODS,
      "access-control-allow-headers": REQUEST_HEADERS,
      "access-control-max-age": MAX_AGE_SECONDS,
    },
    body: "",
  };
}

type Headers = Readonly<Record<string, string>>;

function grant(allowed: AllowedOrigins, { headers: { origin } }: HttpRequest): Headers {
  if (allowed === "*") {
    return { "access-control-allow-origin": "*", "access-control-expose-headers": RESPONSE_HEADERS };
  }
  // Caches must know that the answer to another origin is another, also where this one gets nothing.
  return origin !== undefined && allowed.includes(origin)
    ? { "access-control-allow-origin": origin, "access-control-expose-headers": RESPONSE_HEADERS, vary: "Origin" }
    : { vary: "Origin" };
}

function addGrant(headers: Headers = {}, granted: Headers): Headers {
  const vary = [headers["vary"], granted["vary"]].filter((name) => name !== undefined).join(", ");
  return { ...headers, ...granted, ...(vary === "" ? {} : { vary }) };
}
