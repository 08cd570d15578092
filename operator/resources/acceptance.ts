// How the inference server is told what a model must show before it takes requests.

import { type Acceptance, acceptanceFlags } from "../api/acceptance-spec.ts";

export function acceptanceArguments({ contract, smokeTest }: Acceptance): string[] {
  return [
    ...(contract === undefined ? [] : [`${acceptanceFlags.contract}=${contractText(contract)}`]),
    ...(smokeTest === undefined ? [] : [`${acceptanceFlags.smokeTest}=${smokeTestText(smokeTest)}`]),
  ].map(withoutReferences);
}

function contractText({ inputs, outputs }: NonNullable<Acceptance["contract"]>): string {
  // One order of keys, whatever that of the manifest.
  const ordered = (tensors: typeof inputs) => tensors?.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
  return JSON.stringify({ inputs: ordered(inputs), outputs: ordered(outputs) });
}

/** The texts as they are: parsing would round integers beyond 2^53. */
function smokeTestText({ request, expected, tolerance }: NonNullable<Acceptance["smokeTest"]>): string {
  const parts = [
    `"request":${request.trim()}`,
    ...(expected === undefined ? [] : [`"outputs":${expected.trim()}`]),
    ...(tolerance === undefined ? [] : [`"tolerance":${tolerance}`]),
  ];
  return `{${parts.join(",")}}`;
}

/** Kubernetes replaces $(NAME) in arguments. In JSON a dollar sign is part of a string, so its escape means the same. */
function withoutReferences(argument: string): string {
  return argument.replaceAll("$", String.raw`\u0024`);
}
