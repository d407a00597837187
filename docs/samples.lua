-- Runs each sample of a page by itself, after the page's first one; those that
-- begin with the name of a file are scripts for something else.
--
--   lua5.4 docs/samples.lua docs/guide/tasks.md

local file <close> = assert(io.open(arg[1]))
local first, number = "", 0

for sample in file:read "a":gmatch "```lua\n(.-)```" do
  number = number + 1
  local name = ("=%s, sample %d"):format(arg[1], number)
  if not sample:find "^%-%- %w+%.lua\n" then
    assert(load(first .. sample, name))()
  end
  first = number == 1 and sample or first
end
