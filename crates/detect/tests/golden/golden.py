#!/usr/bin/env python3
"""Writes the golden files of the differential test: inputs, and what the reference decides of each sample.

    pip install numpy numba pcodec
    golden.py OUT [--full] [--shao DIR]

Seeds 1 and 77 of gen.py at 10, 60 and 300 s. Without --full only as much as the repository should hold; with it,
every link and every day (about 100 MB): point NETMEND_GOLDEN at OUT and run the test. --shao adds the CSV files
of a folder (`timestamp,value`, 240 s).

A file is `NMG1`, then a record a series, all little-endian:
    u8 kind (0 latency, 1 jitter, 2 loss), u32 step in s, u32 samples, i64 first time in s,
    u32 bytes + pco of i32 time steps in s, u32 bytes + pco of i32 values in 1/1000 ms or % (-1: missing),
    then for nm and for sigma: u32 count + u32 index of each sample at which the alert goes on or off.
"""
import argparse, glob, os, struct, subprocess, sys, tempfile, warnings
import numpy as np
from pcodec import ChunkConfig
from pcodec.standalone import simple_compress
HERE = os.path.dirname(os.path.abspath(__file__)); sys.path.insert(0, HERE)
import reference
warnings.simplefilter('ignore')
KINDS = ('lat', 'jit', 'loss')
# step -> (links, days) of the small set
SMALL = {10: (1, 4), 60: (3, 10), 300: (8, 28)}

def pack(numbers): b = simple_compress(np.asarray(numbers, 'i4'), ChunkConfig(compression_level=8)); return struct.pack('<I', len(b))+b
def flips(on): at = np.flatnonzero(np.diff(np.concatenate(([0], on.astype('i1'))))); return struct.pack('<I', len(at))+at.astype('<u4').tobytes()
def record(kind, step, t, x):
    milli = np.where(np.isnan(x), -1, np.round(np.nan_to_num(x)*1000)).astype('i4'); x = np.where(milli < 0, np.nan, milli/1000.)
    return struct.pack('<BIIq', kind, step, len(t), int(t[0]))+pack(np.diff(t))+pack(milli)+flips(reference.nm(t, x, step, kind))+flips(reference.seed5(t, x, step, kind))
def write(path, records):
    with open(path, 'wb') as h: h.write(b'NMG1'); [h.write(r) for r in records]
    print('%s: %d bytes' % (path, os.path.getsize(path)))
def synthetic(folder, step, links, days):
    for f in sorted(glob.glob(folder+'/*.npz'))[:links]:
        z = np.load(f); r = step//10; m = len(z['t'])//r; t = z['t'][:m*r].reshape(m, r)[:, -1]+10; n = int(min(m, days*86400//step))
        for kind, k in enumerate(KINDS):
            x = np.nanmean(z[k][:m*r].astype(float).reshape(m, r), axis=1); yield record(kind, step, t[:n], x[:n])
def measured(folder):
    for f in sorted(glob.glob(folder+'/*.latency.240.csv')):
        rows = [l.rstrip('\n').split(',') for l in open(f) if l[:1].isdigit()]
        yield record(0, 240, np.array([int(a) for a, _ in rows]), np.array([float(b) if b else np.nan for _, b in rows]))
def main():
    A = argparse.ArgumentParser(); A.add_argument('out'); A.add_argument('--full', action='store_true'); A.add_argument('--shao'); a = A.parse_args(); os.makedirs(a.out, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp:
        for seed in (1, 77):
            d = '%s/%d' % (tmp, seed); subprocess.run([sys.executable, HERE+'/gen.py', '--seed', str(seed), '--out', d], check=True)
            for step, (links, days) in SMALL.items(): write('%s/seed%d-%d.golden' % (a.out, seed, step), synthetic(d, step, 99 if a.full else links, 99 if a.full else days))
    if a.shao: write(a.out+'/shao_dev.golden', measured(a.shao))
if __name__ == '__main__': main()
