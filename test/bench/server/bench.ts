// What every scenario works with: cores, programs, load generators, models, and where figures go.

import { findModel } from "./bench-models.ts";
import type { Cores } from "./cores.ts";
import type { Figures } from "./figures.ts";
import type { H2load } from "./load/h2load.ts";
import type { HttpLoad } from "./load/http-load.ts";
import { type OpenLoop, type OpenLoopResult, runOpenLoop } from "./load/open-loop.ts";
import type { ClosedLoopResult, Wrk } from "./load/wrk.ts";
import type { BenchOptions, ModelKind } from "./options.ts";
import { type Peer, startFastApi } from "./peers/fastapi.ts";
import { PlimsollServer } from "./plimsoll-server.ts";
import type { ProcessGroup } from "./process-group.ts";
import { RawProcess, type RawSplit } from "./raw/raw-process.ts";
import type { Subject } from "./subject.ts";

export interface BenchParts {
  readonly options: BenchOptions;
  readonly cores: Cores;
  /** Of one scenario: ended after it. */
  readonly group: ProcessGroup;
  /** For the files of load generators; removed at the end. */
  readonly folder: string;
  readonly wrk: Wrk;
  readonly h2load: H2load;
  readonly python: () => Promise<string>;
  readonly environment: NodeJS.ProcessEnv;
  readonly figures: Figures;
  readonly log: (line: string) => void;
}

/** Where and how much to load. */
export interface RestLoad {
  readonly port: number;
  readonly load: HttpLoad;
  readonly clients: number;
  /** Default: the option's. */
  readonly seconds?: number;
  /** Of the generator; default: both. */
  readonly cores?: readonly number[];
}

export class Bench {
  readonly options: BenchOptions;
  readonly cores: Cores;
  readonly figures: Figures;
  readonly group: ProcessGroup;
  readonly log: (line: string) => void;
  readonly folder: string;
  readonly #parts: BenchParts;

  constructor(parts: BenchParts) {
    this.#parts = parts;
    this.options = parts.options;
    this.cores = parts.cores;
    this.figures = parts.figures;
    this.group = parts.group;
    this.log = parts.log;
    this.folder = parts.folder;
  }

  model(kind: ModelKind) {
    const { python, environment } = this.#parts;
    return findModel({ kind, given: this.options.models[kind], python, environment });
  }

  startRaw(
    { model }: Pick<Subject, "model">,
    split: RawSplit,
    cores: readonly number[] = this.cores,
  ): Promise<RawProcess> {
    return RawProcess.start(this.group, model, { split, cores });
  }

  /** Ready, and checked to answer as the runtime does. */
  async startServer(
    subject: Subject,
    { cores = this.cores, nodeOptions }: { cores?: readonly number[]; nodeOptions?: string } = {},
  ): Promise<PlimsollServer> {
    const server = await PlimsollServer.start(this.group, {
      command: this.options.serverCommand,
      modelPath: subject.model.modelPath,
      cores,
      environment: nodeOptions === undefined ? {} : { NODE_OPTIONS: nodeOptions },
    });
    await server.check(subject.json, subject.expected);
    await server.check(subject.binary, subject.expected);
    const { workers, threads, maxBatch } = await server.plan();
    this.log(`server: ${workers} x ${threads} threads, batches of at most ${maxBatch}`);
    return server;
  }

  async startFastApi({ model }: Subject): Promise<Peer> {
    const python = await this.#parts.python();
    return startFastApi(this.group, { python, modelPath: model.modelPath, cores: this.cores });
  }

  /** A closed loop over HTTP. Rejected requests are told and count as nothing. */
  async rest({ seconds = this.options.seconds, cores = this.cores, ...rest }: RestLoad): Promise<ClosedLoopResult> {
    const result = await this.#parts.wrk.run({ ...rest, seconds, cores });
    if (result.rejected > 0) {
      this.log(`${rest.clients} clients: ${result.answered} requests answered, ${result.rejected} rejected`);
    }
    return result;
  }

  /**
   * A closed loop over gRPC, calls per second that the server answered with OK: the generator does not look at gRPC's status.
   * Rejects where the server has no gRPC, or says that it answered more calls than the generator saw.
   */
  async grpc(server: PlimsollServer, loop: Omit<RestLoad, "port">): Promise<number> {
    const { load, clients, seconds = this.options.seconds, cores = this.cores } = loop;
    if (server.grpcPort === undefined) {
      throw new Error("the server did not say on which port it has gRPC");
    }
    const before = await server.answered("v2-grpc");
    const { answered, perSecond } = await this.#parts.h2load.run({
      port: server.grpcPort,
      load,
      clients,
      seconds,
      cores,
    });
    const succeeded = (await server.answered("v2-grpc")) - before;
    // Calls under way at the end are counted by one side only.
    const uncertain = 2 * clients;
    if (succeeded > answered + uncertain || succeeded === 0) {
      throw new Error(`the generator saw ${answered} answers, and the server gave ${succeeded} with OK`);
    }
    if (succeeded >= answered - uncertain) {
      return perSecond;
    }
    this.log(`${clients} gRPC clients: ${succeeded} calls answered, ${answered - succeeded} rejected`);
    return (perSecond * succeeded) / answered;
  }

  openLoop(loop: Omit<OpenLoop, "cores">): Promise<OpenLoopResult> {
    return runOpenLoop(this.#parts.folder, { ...loop, cores: this.cores });
  }

  record(name: string, value: number): void {
    this.figures.record(name, value);
    this.log(`${name} = ${Number(value.toPrecision(5))}`);
  }
}
