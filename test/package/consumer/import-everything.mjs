// Run in a project that installed the package: imports every subpath, with or without the optional packages. Errors
// have kept their names, which are part of what they say.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const manifest = createRequire(import.meta.url)("leasehold/package.json");
for (const subpath of Object.keys(manifest.exports)) {
  if (subpath === "./package.json") continue;
  const module = await import(`leasehold${subpath.slice(1)}`);
  assert.notDeepEqual(Object.keys(module), [], subpath);
  for (const [name, value] of Object.entries(module)) {
    if (value.prototype instanceof Error) assert.equal(value.name, name, subpath);
  }
}
