#!/usr/bin/env python3
"""Compares a vault with what Rucio says, and knows nothing of the program that filled it.

    audit.py < WORLD.json            one line for each deviation; exit code 1 if there is any
    audit.py --members OBJECT ...    {object: {member: [bytes, adler32]}, or why it cannot be read}

WORLD: url, account, username, password (of Rucio), root (of the vault), disk (of the source files), scopes, done (the tag),
kept (path below the root: sha256; objects that have to be there, unchanged).
Python 3, standard library only.
"""
import hashlib
import json
import os
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib

MANIFEST = '.tape-rse/manifest.json'
MARKER = '.tape-rse.json'
OBJECT = re.compile(r'(?P<stem>.*)\.g(?P<generation>\d+)\.(?P<part>\d+)-(?P<parts>\d+)\.zip')


def sum_of(file):
    """Size and adler32 of what a file gives."""
    size, adler = 0, 1
    while block := file.read(1 << 20):
        size, adler = size + len(block), zlib.adler32(block, adler)
    return size, f'{adler:08x}'


def sha256_of(path):
    sha256 = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            sha256.update(block)
    return sha256.hexdigest()


def members_of(path):
    """Every member of a zip but the manifest, as read from start to end; zipfile compares the CRC of each."""
    members = {}
    with zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist()]
        if names[:1] != [MANIFEST]:
            raise zipfile.BadZipFile('its first member is not the manifest')
        if len(set(names)) != len(names):
            raise zipfile.BadZipFile('a member is there twice')
        archive.read(MANIFEST)
        for name in names[1:]:
            with archive.open(name) as file:
                members[name] = sum_of(file)
    return members


def try_members_of(path):
    try:
        return members_of(path)
    except Exception as error:  # whatever a damaged zip makes of zipfile
        return f'{type(error).__name__}: {error}'


class Rucio:
    def __init__(self, world):
        self.url, self.headers = world['url'], {}
        self.headers = {'X-Rucio-Auth-Token': self.ask('/auth/userpass', {
            f'X-Rucio-{key.capitalize()}': world[key] for key in ('account', 'username', 'password')
        }).headers['X-Rucio-Auth-Token']}

    def ask(self, path, headers=None):
        for left in (3, 2, 1, 0):
            try:
                return urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers or self.headers))
            except urllib.error.URLError:
                if left == 0:
                    raise
                time.sleep(0.5)

    def lines(self, path):
        with self.ask(path) as answer:
            return [json.loads(line) for line in answer.read().decode().splitlines() if line]

    def datasets(self, scope):
        return {did['name'] for did in self.lines(f'/dids/{quoted(scope)}/') if did['type'] == 'DATASET'}

    def files(self, scope, name):
        files = self.lines(f'/dids/{quoted(scope)}/{quoted(name)}/files')
        return {file['name']: (file['bytes'], file['adler32']) for file in files}

    def tag(self, scope, name):
        with self.ask(f'/dids/{quoted(scope)}/{quoted(name)}/meta?plugin=JSON') as answer:
            return json.load(answer).get('arcBackup')


quoted = lambda text: urllib.parse.quote(text, safe='')


def difference(is_there, should_be):
    for name in sorted(should_be.keys() | is_there.keys()):
        if name not in is_there:
            yield f'{name} is missing'
        elif name not in should_be:
            yield f'{name} does not belong to it'
        elif tuple(is_there[name]) != tuple(should_be[name]):
            yield f'{name} has {is_there[name]}, Rucio says {should_be[name]}'


class Audit:
    def __init__(self, world):
        self.world, self.rucio, self.deviations = world, Rucio(world), []
        self.found = sorted(
            os.path.relpath(os.path.join(at, name), world['root'])
            for at, _, names in os.walk(world['root'], onerror=self.unreadable) for name in names
        )
        self.done = self.datasets = 0

    def unreadable(self, error):
        self.say(f'{error.filename} cannot be listed: {error}')

    def say(self, what):
        self.deviations.append(what)

    def dataset(self, scope, name):
        self.datasets += 1
        did = f'{scope}:{name}'
        files = self.rucio.files(scope, name)
        self.sources(did, scope, files)
        if self.rucio.tag(scope, name) != self.world['done']:
            return
        self.done += 1
        directory, stem = f'{scope}/{name}', name.rsplit('/', 1)[-1]
        objects = [(match, path) for path in self.found if os.path.dirname(path) == directory
                   if (match := OBJECT.fullmatch(os.path.basename(path))) and match['stem'] == stem]
        if not objects:
            return self.say(f'{did} is done, and there is no object of it')
        newest = max(int(match['generation']) for match, _ in objects)
        own = [(match, path) for match, path in objects if int(match['generation']) == newest]
        numbers = sorted((int(match['part']), int(match['parts'])) for match, _ in own)
        if numbers != [(part, len(own)) for part in range(1, len(own) + 1)]:
            self.say(f'{did} is done, and of its objects there are only {[path for _, path in own]}')
        members = {}
        for _, path in own:
            read = try_members_of(os.path.join(self.world['root'], path))
            if isinstance(read, str):
                self.say(f'{did} is done, and {path} cannot be read: {read}')
                continue
            for member in read.keys() & members.keys():
                self.say(f'{did} is done, and {member} is in two of its objects')
            members.update(read)
        for what in difference(members, files):
            self.say(f'{did} is done, and in generation {newest} {what}')

    def sources(self, did, scope, files):
        for name, expected in files.items():
            try:
                with open(os.path.join(self.world['disk'], scope, name), 'rb') as file:
                    read = sum_of(file)
                if read != expected:
                    self.say(f'{did}: the source {name} has {read}, Rucio says {expected}')
            except OSError as error:
                self.say(f'{did}: the source {name} cannot be read: {error}')

    def kept(self):
        for path, expected in self.world['kept'].items():
            try:
                if sha256_of(os.path.join(self.world['root'], path)) != expected:
                    self.say(f'{path} was done once, and has changed since')
            except OSError as error:
                self.say(f'{path} was done once, nobody deleted it, and it cannot be read: {error}')

    def left_behind(self, known):
        for path in self.found:
            if path == MARKER:
                continue
            directory, name = os.path.split(path)
            match = OBJECT.fullmatch(name)
            if name.endswith(('.part', '.mismatch')):
                self.say(f'{path} was left behind')
            elif directory not in known or not match or match['stem'] != os.path.basename(directory):
                self.say(f'{path} belongs to no dataset')

    def run(self):
        known = set()
        for scope in self.world['scopes']:
            for name in sorted(self.rucio.datasets(scope)):
                known.add(f'{scope}/{name}')
                self.dataset(scope, name)
        self.kept()
        self.left_behind(known)
        for what in self.deviations:
            print(what)
        print(f'audit: {self.datasets} datasets, {self.done} done, {len(self.found)} files in the vault, '
              f'{len(self.deviations)} deviations', file=sys.stderr)
        return 1 if self.deviations else 0


def main(arguments):
    if arguments[:1] == ['--members']:
        print(json.dumps({path: try_members_of(path) for path in arguments[1:]}))
        return 0
    return Audit(json.load(sys.stdin)).run()


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
