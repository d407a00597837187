-- Runs spec files while system calls do what the rules of spec/host/faults.c
-- say, some processes at a time, and counts what went well.

local build = os.getenv "BUILD" or "build"
local lua = arg[-1]
local jobs = 3 -- processes at a time; the specs wait much

local runner = {}

local which <close> = assert(io.popen "command -v busted")
runner.busted = lua .. " " .. assert(which:read "l", "no busted")

local function start(list, faults, limit, options)
  return assert(io.popen(("timeout -s KILL %d env FAULTS='%s' FAULTS_SEED=%s "
    .. "LD_PRELOAD=$(realpath %s/spec/faults.so) %s -o TAP %s %s 2>&1")
    :format(limit, faults, os.getenv "SEED" or "1", build, runner.busted,
    options, table.concat(list, " "))))
end

--- Prints what is out of the ordinary; returns how many specs went well, and
-- whether all did.
local function finish(pipe)
  local n, output, last = 0, {}, nil
  for line in pipe:lines() do
    if line:find "^ok" then
      n, last = n + 1, line
    else
      output[#output + 1] = line
    end
  end
  local ok = pipe:close()
  if not ok then
    print(("%s\nThe last that went well: %s"):format(
      table.concat(output, "\n"), last))
  end
  return n, ok == true
end

--- Runs the files, each process at most `limit` seconds, with more options for
-- busted; returns how many specs went well, and whether all did.
function runner.run(files, faults, limit, options)
  local lists, pipes, total, all = {}, {}, 0, true
  for i, name in ipairs(files) do
    local list = lists[i % jobs] or {}
    lists[i % jobs], list[#list + 1] = list, name
  end
  for _, list in pairs(lists) do
    pipes[#pipes + 1] = start(list, faults, limit, options)
  end
  for _, pipe in ipairs(pipes) do
    local n, ok = finish(pipe)
    total, all = total + n, all and ok
  end
  return total, all
end

return runner
