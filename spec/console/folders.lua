--- Folders for the sockets of consoles: each spec has its own.

local libevent = require "libevent"

local folders = {}

--- Returns the path of a new folder that `XDG_RUNTIME_DIR` may be, and a value
-- for a <close> variable that removes it.
function folders.new()
  local path = os.tmpname()
  os.remove(path)
  assert(libevent.posix.mkdir(path, "0700"))
  return path, setmetatable({}, { __close = function()
    os.execute("chmod -R u+rwx " .. path .. " && rm -rf " .. path)
  end })
end

return folders
