-- Runs the specs while system calls begin late, as on a machine that does much
-- else: they say the same as ever, since none of them counts on being quick.
--
--   lua5.4 spec/late.lua [SPEC...]
--
-- SEED picks which calls.

local runner = require "spec.faulty_run"

local limit = 600 -- seconds
local faults = "epoll_wait:late=0.003@p0.2;clock_gettime:late=0.003@p0.05;"
  .. "*:late=0.002@p0.03"

--- All but those that load the machine themselves, or build all anew.
local function files()
  local list = {}
  local found <close> = assert(io.popen "find spec -name '*_spec.lua' | sort")
  for name in found:lines() do
    if not name:find "/load/" and not name:find "/install_spec" then
      list[#list + 1] = name
    end
  end
  return list
end

local given = #arg > 0 and arg or files()
local total, all = runner.run(given, faults, limit, "--exclude-tags=load")
print(("%d specs went well though calls came late"):format(total))
os.exit(all, true)
