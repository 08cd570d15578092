// Serves the test models over HTTP to the pods of a cluster.

import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, join } from "node:path";
import type { Cluster, Gate } from "../cluster/running-cluster.ts";

const models = join(import.meta.dirname, "../../server-image/testdata");

export class ModelFiles {
  readonly #server: Server;
  readonly #gate: Gate;

  private constructor(server: Server, gate: Gate) {
    this.#server = server;
    this.#gate = gate;
  }

  static async start(cluster: Cluster): Promise<ModelFiles> {
    const server = createServer((request, response) => {
      void readFile(join(models, basename(request.url ?? ""))).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new ModelFiles(server, await cluster.reverse({ port: (server.address() as AddressInfo).port }));
  }

  /** The storageUri of a model of server-image/testdata. */
  uri(file: string): string {
    return `http://${this.#gate.host}:${this.#gate.port}/${file}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await this.#gate.close();
  }
}
