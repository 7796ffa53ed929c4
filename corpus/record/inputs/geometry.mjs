// A walk over a terrain: the tiles around the walker are built in two levels of detail, with trees
// that are merged into one mesh a tile; tiles out of sight are disposed of.
import { setImmediate as turn } from 'node:timers/promises';
import * as three from 'three';
import { mergeGeometries, mergeVertices } from 'three/addons/utils/BufferGeometryUtils.js';

let state = 7;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};

function ground(x, z, segments) {
  const plane = new three.PlaneGeometry(32, 32, segments, segments).rotateX(-Math.PI / 2);
  const position = plane.getAttribute('position');
  for (let i = 0; i < position.count; i++) {
    const at = [position.getX(i) / 32 + x, position.getZ(i) / 32 + z];
    position.setY(i, 4 * Math.sin(at[0] * 3) * Math.cos(at[1] * 2) + random() / 4);
  }
  plane.computeVertexNormals();
  return plane;
}

function tree() {
  const trunk = new three.CylinderGeometry(0.2, 0.4, 3, 5 + Math.floor(random() * 4));
  const crown = new three.ConeGeometry(1 + random(), 4, 6 + Math.floor(random() * 6));
  const both = mergeGeometries([trunk, crown.translate(0, 3, 0)]);
  return both.translate(random() * 32, 0, random() * 32).rotateY(random());
}

function tile(x, z, near) {
  const terrain = ground(x, z, near ? 16 : 4);
  const trees = Array.from({ length: near ? 4 : 1 }, tree);
  const mesh = new three.Mesh(mergeVertices(mergeGeometries([terrain, ...trees])));
  mesh.geometry.computeBoundingSphere();
  mesh.position.set(32 * x, 0, 32 * z);
  mesh.updateMatrixWorld();
  return { mesh, near };
}

const tiles = new Map();
let built = 0, hits = 0;
const caster = new three.Raycaster();

function look(x, z) {
  for (let i = -2; i <= 2; i++)
    for (let j = -2; j <= 2; j++) {
      const key = `${x + i},${z + j}`, near = Math.abs(i) < 2 && Math.abs(j) < 2;
      if (tiles.get(key)?.near === near) continue;
      tiles.get(key)?.mesh.geometry.dispose();
      tiles.set(key, tile(x + i, z + j, near));
      built++;
    }
  for (const key of tiles.keys()) {
    const [i, j] = key.split(',').map(Number);
    if (Math.abs(i - x) > 2 || Math.abs(j - z) > 2) tiles.delete(key);
  }
}

let x = 0, z = 0;
for (let step = 0; step < 70; step++) {
  look(x, z);
  caster.set(new three.Vector3(32 * x, 100, 32 * z), new three.Vector3(0, -1, 0));
  for (const { mesh } of tiles.values()) hits += caster.intersectObject(mesh).length;
  if (step % 10 === 9) {
    const copy = tiles.get(`${x},${z}`).mesh.geometry.clone().toNonIndexed();
    hits += copy.getAttribute('position').count;
  }
  random() < 0.5 ? (x += random() < 0.7 ? 1 : -1) : (z += random() < 0.7 ? 1 : -1);
  await turn();
}
console.log(built, tiles.size, hits);
