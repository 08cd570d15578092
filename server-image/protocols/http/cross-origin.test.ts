// Cross-origin resource sharing: what browsers are told, with and without the permission.

import { describe, expect, test } from "vitest";

import { Cancellation } from "../../cancellation.ts";
import { allowOrigins, parseAllowedOrigins } from "./cross-origin.ts";
import { type HttpAnswer, type HttpRequest, jsonAnswer } from "./exchange.ts";

const APP = "https://app.example.com";

function requestOf(method: string, origin: string | undefined): HttpRequest {
  return {
    method,
    path: ["v2"],
    headers: origin === undefined ? {} : { origin },
    cancellation: new Cancellation(),
    readBody: async () => Buffer.alloc(0),
  };
}

async function ask(
  allowed: string,
  method: string,
  origin?: string,
  answer = jsonAnswer(200, {}),
): Promise<HttpAnswer> {
  return allowOrigins(parseAllowedOrigins(allowed), async () => answer)(requestOf(method, origin));
}

const EXPOSED = { "access-control-expose-headers": "Inference-Header-Content-Length, Retry-After" };
const PREFLIGHT = {
  "access-control-allow-methods": "GET, HEAD, POST",
  "access-control-allow-headers": "Content-Type, Content-Encoding, Inference-Header-Content-Length",
  "access-control-max-age": "7200",
};

describe("a request", () => {
  const json = { "content-type": "application/json" };
  const cases: [string, string, string | undefined, Record<string, string>][] = [
    ["of any page", "*", APP, { ...json, ...EXPOSED, "access-control-allow-origin": "*" }],
    ["of no page", "*", undefined, { ...json, ...EXPOSED, "access-control-allow-origin": "*" }],
    [
      "of an allowed page",
      `http://localhost:3000, ${APP}`,
      APP,
      { ...json, ...EXPOSED, "access-control-allow-origin": APP, vary: "Origin" },
    ],
    ["of another page", APP, "https://evil.example.com", { ...json, vary: "Origin" }],
    ["of a page on another port", APP, `${APP}:8443`, { ...json, vary: "Origin" }],
    ["of no page where few are allowed", APP, undefined, { ...json, vary: "Origin" }],
  ];
  test.each(cases)("%s is answered", async (_name, allowed, origin, headers) => {
    expect(await ask(allowed, "POST", origin)).toEqual({ status: 200, headers, body: "{}" });
  });

  test("keeps what its answer varies by already", async () => {
    const answer = jsonAnswer(200, {}, { vary: "Accept-Encoding" });
    expect((await ask(APP, "GET", APP, answer)).headers).toMatchObject({ vary: "Accept-Encoding, Origin" });
  });
});

describe("the question before a request", () => {
  const cases: [string, string, string | undefined, number, Record<string, string>][] = [
    ["any page", "*", APP, 200, { ...EXPOSED, ...PREFLIGHT, "access-control-allow-origin": "*" }],
    [
      "an allowed page",
      APP,
      APP,
      200,
      { ...EXPOSED, ...PREFLIGHT, "access-control-allow-origin": APP, vary: "Origin" },
    ],
    ["another page", APP, "http://app.example.com", 403, { "content-type": "application/json", vary: "Origin" }],
    ["no page", "*", undefined, 400, { "content-type": "application/json" }],
    ["a page without an origin", "*", "null", 400, { "content-type": "application/json" }],
    ["a file", "*", "file://", 400, { "content-type": "application/json" }],
  ];
  test.each(cases)("of %s", async (...[, allowed, origin, status, headers]) => {
    const answer = await ask(allowed, "OPTIONS", origin, jsonAnswer(500, "not asked"));
    expect(answer).toMatchObject({ status });
    expect(answer.headers).toEqual(headers);
  });
});

test("where nothing is allowed the handler is left as it is", () => {
  const handle = async () => jsonAnswer(200, {});
  expect(allowOrigins(undefined, handle)).toBe(handle);
});

describe("origins on the command line", () => {
  test.each([
    ["*", "*"],
    [" * ", "*"],
    [APP, [APP]],
    ["http://localhost:3000 ,https://a.b", ["http://localhost:3000", "https://a.b"]],
  ])("%j", (text, expected) => {
    expect(parseAllowedOrigins(text)).toEqual(expected);
  });

  test.each([
    "",
    "app.example.com",
    `${APP}/`,
    `${APP}/path`,
    `${APP},`,
    "ftp://a.b",
    "https://a.b:443",
    "*,https://a.b",
    "null",
  ])("refused: %j", (text) => {
    expect(() => parseAllowedOrigins(text)).toThrow(/is no origin\. Give \*, or origins with commas between them/);
  });
});
