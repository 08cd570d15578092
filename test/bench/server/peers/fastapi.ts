// Starts the Python server to compare with: two uvicorn workers, which is the strongest that it can be on two cores.

import { freePort } from "../../../free-port.ts";
import type { BenchProcess, ProcessGroup } from "../process-group.ts";

const WORKERS = 2;
const START_TIMEOUT_MS = 60_000;

export interface FastApiLaunch {
  /** The interpreter of an environment with requirements.txt. */
  readonly python: string;
  readonly modelPath: string;
  readonly cores: readonly number[];
}

export interface Peer {
  readonly port: number;
  readonly process: BenchProcess;
}

/** Resolves when all workers have loaded the model. */
export async function startFastApi(group: ProcessGroup, { python, modelPath, cores }: FastApiLaunch): Promise<Peer> {
  const port = await freePort();
  const where = ["--host", "127.0.0.1", "--port", String(port), "--app-dir", import.meta.dirname];
  const how = ["--workers", String(WORKERS), "--loop", "uvloop", "--http", "httptools", "--no-access-log"];
  const started = group.start({
    name: "FastAPI",
    command: [python, "-m", "uvicorn", "fastapi_app:app", ...where, ...how],
    cores,
    environment: { MODEL_PATH: modelPath, PYTHONDONTWRITEBYTECODE: "1" },
  });
  let ready = 0;
  await started.next((line) => {
    ready += line.includes("Application startup complete") ? 1 : 0;
    return ready === WORKERS ? true : undefined;
  }, START_TIMEOUT_MS);
  return { port, process: started };
}
