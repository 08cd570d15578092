// The flags of the protocols: what is taken, and complaints that say what is allowed.

import { Command } from "commander";
import { describe, expect, test } from "vitest";

import { addProtocolOptions, type ProtocolSettings } from "./options.ts";

function parse(...argv: string[]): ProtocolSettings {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined });
  addProtocolOptions(command);
  return command.parse(argv, { from: "user" }).opts<ProtocolSettings>();
}

describe("taken", () => {
  const cases: [string, string[], object][] = [
    ["nothing", [], {}],
    ["all origins", ["--cors-allow-origin", "*"], { corsAllowOrigin: "*" }],
    [
      "some origins",
      ["--cors-allow-origin", "https://a.b,http://localhost:3000"],
      { corsAllowOrigin: ["https://a.b", "http://localhost:3000"] },
    ],
    ["labels", ["--version-labels", "stable, canary_2"], { versionLabels: ["stable", "canary_2"] }],
    ["connections", ["--max-connections", "100"], { maxConnections: 100 }],
  ];
  test.each(cases)("%s", (_name, argv, expected) => {
    expect(parse(...argv)).toEqual({ versionLabels: [], maxConnections: 10_000, ...expected });
  });
});

describe("refused", () => {
  test.each([
    [["--cors-allow-origin", "a.b"], /"a\.b" is no origin\. Give \*, or origins with commas between them/],
    [["--cors-allow-origin", ""], /"" is no origin/],
    [["--version-labels", "stable,can-ary"], /"can-ary" is no label: letters, digits and underscores are allowed/],
    [["--version-labels", ""], /"" is no label/],
    [["--max-connections", "0"], /Give a number from 1 to 1000000/],
  ])("%j", (argv, message) => {
    expect(() => parse(...argv)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(message) as string }),
    );
  });
});
