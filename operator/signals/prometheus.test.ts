// Everything that is not a Prometheus answer must become an error with a reason, never a number.

import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test } from "vitest";
import { createPrometheus, parseVector, QueryError } from "./prometheus.ts";

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<URL> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

async function query(address: URL, timeoutMs = 5000): Promise<unknown> {
  const ask = createPrometheus({ address, timeoutMs, maxBodyBytes: 10_000 });
  return ask("up").catch((error: unknown) => error);
}

function vector(...values: unknown[]): string {
  const result = values.map((value, index) => ({ metric: { pod: `p${index}` }, value: [1_700_000_000.5, value] }));
  return JSON.stringify({ status: "success", data: { resultType: "vector", result } });
}

const prometheusError = "PrometheusError";
const unreachable = "PrometheusUnreachable";

describe("an instant query", () => {
  const answers: Record<string, { listener: RequestListener; reason: string; message?: RegExp }> = {
    "400 with Prometheus' own error": {
      listener: (_request, response) => {
        response.writeHead(400).end(JSON.stringify({ status: "error", errorType: "bad_data", error: "parse error" }));
      },
      reason: prometheusError,
      message: /400.*parse error/,
    },
    "500 with nothing": {
      listener: (_request, response) => void response.writeHead(500).end(),
      reason: prometheusError,
      message: /500/,
    },
    "200 with HTML, as a proxy's login page": {
      listener: (_request, response) => void response.end("<html>log in</html>"),
      reason: prometheusError,
      message: /no answer of Prometheus: <html>/,
    },
    "200 with nothing": {
      listener: (_request, response) => void response.end(),
      reason: prometheusError,
      message: /empty/,
    },
    "half an answer, then the connection breaks": {
      listener: (_request, response) => {
        response.writeHead(200, { "content-length": "1000" });
        response.write('{"status":', () => response.destroy());
      },
      reason: unreachable,
    },
    "a redirect to another host": {
      listener: (_request, response) => void response.writeHead(302, { location: "http://169.254.169.254/" }).end(),
      reason: unreachable,
    },
    "more than the cap": {
      listener: (_request, response) => void response.end(`"${"x".repeat(20_000)}"`),
      reason: prometheusError,
      message: /larger than 10000 bytes/,
    },
    "a compressed bomb": {
      listener: (_request, response) => {
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(5_000_000, " ")));
      },
      reason: prometheusError,
      message: /larger than 10000 bytes/,
    },
  };

  test.each(Object.entries(answers))(
    "%s is an error with a reason",
    async (_sentence, { listener, reason, message }) => {
      const error = await query(await serve(listener));
      expect(error).toBeInstanceOf(QueryError);
      expect(error).toMatchObject({ reason });
      if (message !== undefined) expect((error as Error).message).toMatch(message);
    },
  );

  test("no answer within the time-out is unreachable", async () => {
    const error = await query(await serve(() => undefined), 50);
    expect(error).toMatchObject({ reason: unreachable, message: expect.stringMatching(/within 0.05 s/) });
  });

  test("a refused connection is unreachable and says so", async () => {
    const address = await serve(() => undefined);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await query(address)).toMatchObject({ reason: unreachable, message: expect.stringMatching(/ECONNREFUSED/) });
  });

  test("a path in the address is kept, and the query travels in the body", async () => {
    const seen: string[] = [];
    const address = await serve((request, response) => {
      void readText(request).then((body) => {
        seen.push(`${request.url} ${body}`);
        response.end(vector("1.5"));
      });
    });
    expect(await query(new URL("prometheus/", address))).toEqual([{ labels: { pod: "p0" }, value: 1.5 }]);
    expect(seen).toEqual(["/prometheus/api/v1/query query=up"]);
  });
});

describe("the body of an answer", () => {
  const refused: Record<string, string> = {
    "an error status": JSON.stringify({ status: "error", error: "query timed out" }),
    "a matrix": JSON.stringify({ status: "success", data: { resultType: "matrix", result: [] } }),
    "a scalar": JSON.stringify({ status: "success", data: { resultType: "scalar", result: [1, "2"] } }),
    "no data": JSON.stringify({ status: "success" }),
    "null data": JSON.stringify({ status: "success", data: null }),
    "a result that is no list": JSON.stringify({ status: "success", data: { resultType: "vector", result: {} } }),
    "an element that is null": JSON.stringify({ status: "success", data: { resultType: "vector", result: [null] } }),
    "a value that is no pair": JSON.stringify({
      status: "success",
      data: { resultType: "vector", result: [{ metric: {}, value: ["1"] }] },
    }),
    "a label that is no text": JSON.stringify({
      status: "success",
      data: { resultType: "vector", result: [{ metric: { pod: 7 }, value: [1, "1"] }] },
    }),
    "an array": "[]",
    "a number": "42",
    "text that ends early": '{"status":"success","data":{"resultType":"vector","result":[',
  };
  test.each(Object.entries(refused))("%s is refused", (_sentence, text) => {
    expect(() => parseVector(text)).toThrow(QueryError);
  });

  test.each([["NaN"], ["+Inf"], ["-Inf"], [""], ["garbage"], ["0x10"], [" 1"], [null], [7], [[]], [true]])(
    "the value %j is not a number",
    (value) => {
      expect(parseVector(vector(value))[0]?.value).toBeNaN();
    },
  );

  test.each([
    ["0", 0],
    ["12.5", 12.5],
    ["1e+06", 1e6],
    ["-3", -3],
    ["4.9406564584124654e-324", 5e-324],
  ])("the value %j is %d", (value, expected) => {
    expect(parseVector(vector(value))[0]?.value).toBe(expected);
  });

  test("an empty vector is an answer", () => {
    expect(parseVector(vector())).toEqual([]);
  });
});
