-- Proposes for tickets that have breached a service level, and are not of the most urgent priority yet: that priority,
-- and the tag sla-breached. The reason says where the ticket stands in the list of candidates.
-- Run it: ticketing triage plan pipelines/writeback/rules/raise_breached.sql
-- Priorities are each helpdesk's own words. Put yours into the list below, as the helpdesk writes them and as the marts
-- do: small, with _ for blanks and hyphens. A helpdesk that is not in the list has the last one.

with urgent (integration_type, written, in_marts) as (

    values
    ('freshdesk', 'Urgent', 'urgent'),
    ('intercom', 'priority', 'priority'),
    ('servicenow', '1 - Critical', '1_critical'),
    ('zendesk', 'urgent', 'urgent')

)

select
    candidates.connection_id,
    candidates.ticket_id,
    coalesce(urgent.written, 'urgent') as priority,
    'sla-breached' as tags_add,
    'A service level is breached: place ' || cast(candidates.place as varchar)
    || ' of the candidates, with a score of ' || cast(candidates.score as varchar) as reason
from marts.triage_candidates as candidates
left join urgent
    on candidates.integration_type = urgent.integration_type
where
    cast(candidates.reasons as text) like '%"sla_breached"%'
    and coalesce(candidates.priority, '') <> coalesce(urgent.in_marts, 'urgent')
order by candidates.place
