// npm's ocpp-rpc with OCPP 2.1 held to strictly: the package asks for schemas by 2.0.1's ids (urn:X.req, urn:X.conf), and
// brings those of 2.1 under others (urn:XRequest, urn:XResponse).
'use strict';

const { createValidator } = require('ocpp-rpc');

const schemas = require('ocpp-rpc/lib/schemas/ocpp2_1.json').map((schema) => ({
    ...schema,
    $id: schema.$id.replace(/Request$/, '.req').replace(/Response$/, '.conf'),
}));

/** The options of a server that speaks these subprotocols, each strictly. */
exports.strict = (protocols) => ({
    protocols,
    strictMode: true,
    strictModeValidators: [createValidator('ocpp2.1', schemas)],
});
