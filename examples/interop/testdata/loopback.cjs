// SPDX-License-Identifier: Apache-2.0
// Loaded first, so that a server that can only be told its port is not open to the network.
const { Server } = require("node:net");
const { listen } = Server.prototype;
Server.prototype.listen = function (port, ...rest) {
  return listen.call(this, port, "127.0.0.1", ...rest.filter((a) => typeof a !== "string"));
};
