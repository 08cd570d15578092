// The least that a Node server can do: reads the whole body and answers with so many bytes.
//
//   node echo-program.ts BYTES
//
// Prints its port.

import { createServer } from "node:http";

const answer = Buffer.alloc(Number(process.argv[2]));
const headers = { "content-type": "application/octet-stream", "content-length": String(answer.length) };

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    // As a server does that needs the body in one piece.
    Buffer.concat(chunks);
    response.writeHead(200, headers);
    response.end(answer);
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (address !== null && typeof address !== "string") {
    process.stdout.write(`port ${address.port}\n`);
  }
});
