#!/usr/bin/env python3
"""Runs CNI DEL for every attachment that a network still has: port mappings, addresses and links of killed pods.

    cni_release.py NETWORK --plugins DIR [--cache /var/lib/cni/results]

libcni keeps what it passed to the plugins in its result cache, one file per attachment; DEL wants the same again.
"""
import argparse
import base64
import glob
import json
import os
import subprocess


def plugin_input(plugin, network, cached):
    """The configuration on a plugin's stdin: its own table, the network's name and what the runtime had passed."""
    config = dict(plugin, name=network["name"], cniVersion=network.get("cniVersion", "0.4.0"))
    wanted = {key for key, on in plugin.get("capabilities", {}).items() if on}
    passed = {key: value for key, value in (cached.get("capabilityArgs") or {}).items() if key in wanted}
    if passed:
        config["runtimeConfig"] = passed
    if cached.get("result"):
        config["prevResult"] = cached["result"]
    return json.dumps(config).encode()


def release(cached, plugins_dir):
    """DEL through the chain, last plugin first. Plugins treat what is already gone as success; errors are told."""
    network = json.loads(base64.b64decode(cached["config"]))
    netns = cached.get("netns") or ""
    environment = dict(os.environ, CNI_COMMAND="DEL", CNI_CONTAINERID=cached["containerId"], CNI_PATH=plugins_dir,
                       CNI_NETNS=netns if os.path.exists(netns) else "", CNI_IFNAME=cached["ifName"],
                       CNI_ARGS=";".join("=".join(pair) for pair in cached.get("cniArgs") or []))
    for plugin in reversed(network.get("plugins", [network])):
        done = subprocess.run([os.path.join(plugins_dir, plugin["type"])], env=environment,
                              input=plugin_input(plugin, network, cached), capture_output=True, check=False)
        if done.returncode != 0:
            print("CNI DEL %s of %s: %s" % (plugin["type"], cached["containerId"], done.stdout.decode().strip()))


def main():
    parser = argparse.ArgumentParser(description="CNI DEL for what a network still has")
    parser.add_argument("network")
    parser.add_argument("--plugins", required=True)
    parser.add_argument("--cache", default="/var/lib/cni/results")
    args = parser.parse_args()
    for name in glob.glob(os.path.join(glob.escape(args.cache), glob.escape(args.network) + "-*")):
        with open(name, encoding="utf-8") as file:
            cached = json.load(file)
        if cached.get("kind") == "cniCacheV1" and cached.get("networkName") == args.network:
            release(cached, args.plugins)
            os.unlink(name)


if __name__ == "__main__":
    main()
