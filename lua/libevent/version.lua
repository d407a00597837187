--- The version of this module, written down once.
-- @module libevent.version

return "0.1.0"
