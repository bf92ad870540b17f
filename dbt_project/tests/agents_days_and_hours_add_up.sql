-- An agent's days, and hours, hold all that they did; what has no time is in neither.
with days as (

    select
        connection_id,
        agent_id,
        sum(reply_count) as reply_count,
        sum(first_reply_count) as first_reply_count,
        sum(answered_turn_count) as answered_turn_count,
        sum(closed_ticket_count) as closed_ticket_count,
        min(first_replied_at) as first_replied_at,
        max(last_replied_at) as last_replied_at
    from {{ ref('agent_daily') }}
    group by connection_id, agent_id

),

hours as (

    select
        connection_id,
        agent_id,
        sum(reply_count) as reply_count,
        sum(first_reply_count) as first_reply_count
    from {{ ref('agent_hours') }}
    group by connection_id, agent_id

),

untimed as (

    select
        connection_id,
        agent_id,
        sum(case when sent_at is null then 1 else 0 end) as reply_count,
        sum(case when sent_at is null and is_first_reply then 1 else 0 end) as first_reply_count,
        sum(case when closed_at is null and is_last_of_closed then 1 else 0 end) as closed_ticket_count
    from {{ ref('int_replies_credited') }}
    group by connection_id, agent_id

),

untimed_turns as (

    select
        connection_id,
        answered_by_author_id as agent_id,
        count(*) as answered_turn_count
    from {{ ref('conversation_turns') }}
    where side = 'customer' and end_reason = 'answered' and ended_at is null
    group by connection_id, answered_by_author_id

)

select
    agents.connection_id,
    agents.agent_id
from {{ ref('agents') }} as agents
left join days
    on
        agents.connection_id = days.connection_id
        and agents.agent_id = days.agent_id
left join hours
    on
        agents.connection_id = hours.connection_id
        and agents.agent_id = hours.agent_id
left join untimed
    on
        agents.connection_id = untimed.connection_id
        and agents.agent_id = untimed.agent_id
left join untimed_turns
    on
        agents.connection_id = untimed_turns.connection_id
        and agents.agent_id = untimed_turns.agent_id
where
    agents.reply_count <> coalesce(days.reply_count, 0) + coalesce(untimed.reply_count, 0)
    or agents.reply_count <> coalesce(hours.reply_count, 0) + coalesce(untimed.reply_count, 0)
    or agents.first_reply_count <> coalesce(days.first_reply_count, 0) + coalesce(untimed.first_reply_count, 0)
    or agents.first_reply_count <> coalesce(hours.first_reply_count, 0) + coalesce(untimed.first_reply_count, 0)
    or agents.answered_turn_count
    <> coalesce(days.answered_turn_count, 0) + coalesce(untimed_turns.answered_turn_count, 0)
    or agents.closed_ticket_count <> coalesce(days.closed_ticket_count, 0) + coalesce(untimed.closed_ticket_count, 0)
    or {{ differs('agents.first_replied_at', 'days.first_replied_at') }}
    or {{ differs('agents.last_replied_at', 'days.last_replied_at') }}
