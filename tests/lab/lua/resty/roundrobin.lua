-- Weighted round robin, which Debian does not package: at each turn every node gains its weight, the richest is chosen
-- and pays the sum of all weights, so that a heavy node's turns are spread evenly.
local Turns = {}
Turns.__index = Turns

function Turns.new(_, weights)
  local turns = setmetatable({}, Turns)
  turns:reinit(weights)
  return turns
end

function Turns:reinit(weights)
  self.nodes, self.order, self.sum = {}, {}, 0
  for node, weight in pairs(weights) do
    self.nodes[node] = weight
    self.sum = self.sum + weight
    table.insert(self.order, { node = node, weight = weight, credit = 0 })
  end
  -- The workers must not all begin with the same node.
  for _ = 1, math.random(0, #self.order) do
    self:find()
  end
end

function Turns:find()
  local richest
  for _, entry in ipairs(self.order) do
    entry.credit = entry.credit + entry.weight
    if richest == nil or entry.credit > richest.credit then
      richest = entry
    end
  end
  if richest == nil then
    return nil
  end
  richest.credit = richest.credit - self.sum
  return richest.node
end

return Turns
