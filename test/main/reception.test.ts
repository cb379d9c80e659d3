import { MessageChannel } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { ComputePool } from '../../src/main/compute.ts';
import type { ToOpener } from '../../src/main/handle.ts';
import { Reception } from '../../src/main/reception.ts';
import type { Member, Roster } from '../../src/main/roster.ts';
import type { SnapshotCaller } from '../../src/main/snapshot/requests.ts';

test('a client that says late that a port has ended, and has had another since, keeps that', async () => {
  const lost: number[] = [];
  let member: Member | undefined;
  const roster = {
    admitWith: (admitted: Member) => {
      member = admitted;
    },
    lost: (_member: Member, shard: number) => lost.push(shard),
    dismiss: () => {},
  };
  const reception = new Reception(roster as unknown as Roster, {} as ComputePool, {} as SnapshotCaller);
  const { port1: client, port2: opener } = new MessageChannel();
  reception.expect(opener);
  const tell = async (message: ToOpener) => {
    client.postMessage(message);
    await new Promise((resolve) => opener.once('message', resolve));
  };
  const buffers = { client: new SharedArrayBuffer(0), samples: undefined, wake: undefined };
  await tell({ is: 'attach', ports: [], buffers: [buffers, buffers] });
  await tell({ is: 'lost', shard: 1, ports: 0 });
  expect(lost).toEqual([1]);
  member?.connect(1, new MessageChannel().port1);
  await tell({ is: 'lost', shard: 1, ports: 0 });
  await tell({ is: 'lost', shard: 0, ports: 0 });
  await tell({ is: 'lost', shard: 1, ports: 1 });
  expect(lost).toEqual([1, 0, 1]);
  reception.close();
});
