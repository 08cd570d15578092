// A small HTTP server for the demo's model file: what an object store is to a real cluster. `node model-store.ts HOST PORT DIRECTORY`

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { join, normalize } from "node:path";
import { pipeline } from "node:stream/promises";

async function serve(directory: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  // normalize() of an absolute path cannot climb above "/", so the file stays inside the directory.
  const file = join(directory, normalize(new URL(request.url ?? "/", "http://store").pathname));
  const size = (await stat(file)).size;
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": size });
  await pipeline(createReadStream(file), response);
}

const [host, port, directory] = process.argv.slice(2);
if (host === undefined || directory === undefined) {
  throw new Error("usage: node model-store.ts HOST PORT DIRECTORY");
}
const server = createServer((request, response) => {
  serve(directory, request, response).catch(() => {
    if (response.headersSent) {
      response.destroy();
    } else {
      response.writeHead(404).end("no such file\n");
    }
  });
});
server.listen(Number(port), host, () => process.stdout.write(`serving ${directory} on http://${host}:${port}\n`));
