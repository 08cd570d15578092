// Takes a port that several threads will share: the kernel would share it with other programs, too, without a word.

import { createServer } from "node:net";

/** The port cannot be had; the message names the flag. */
export class PortError extends Error {
  override readonly name = "PortError";
  /** The system's, as `EADDRINUSE`. */
  readonly code: string | undefined;

  constructor(flag: string, port: number, cause: NodeJS.ErrnoException) {
    super(`port ${port} cannot be had (${flag}): ${cause.message}`, { cause });
    this.code = cause.code;
  }
}

export interface PortOptions {
  /** That the user can change. */
  readonly flag: string;
  /** 0: any free one. */
  readonly port: number;
  /** Whether `listen` lets others listen on the same port. */
  readonly shared: boolean;
}

/**
 * Resolves with the port, as `listen` does. Rejects with a PortError where it cannot be had, or where another program has
 * it.
 */
export async function takePort(
  { flag, port, shared }: PortOptions,
  listen: (port: number) => Promise<number>,
): Promise<number> {
  try {
    if (shared && port !== 0) {
      await holdAlone(port);
    }
    return await listen(port);
  } catch (error) {
    throw new PortError(flag, port, error as NodeJS.ErrnoException);
  }
}

/** For a moment only: what shares a port has to do so from its first socket on. */
async function holdAlone(port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const server = createServer();
  // Nobody may get a connection that is about to be ended.
  server.maxConnections = 0;
  server.once("error", reject);
  server.listen({ port, exclusive: true }, () => server.close(() => resolve()));
  await promise;
}
