/** A process that has a cache open whose `autosave` holds a directory: `node snapshot-holder.mjs DIR`. It ends when its input does. */
import { openCache } from 'shardstash';

const cache = await openCache({ shards: 1, storage: { dir: process.argv[2] }, autosave: true, unref: false });
process.stdout.write('open\n');
process.stdin.on('end', () => void cache.close().then(() => process.exit()));
process.stdin.resume();
