-- An agent's days, and hours, hold all that they did; what has no time is in neither.
with days as (

    select
        connection_id,
        agent_id,
        sum(reply_count) as reply_count,
        sum(first_reply_count) as first_reply_count,
        sum(timed_first_reply_count) as timed_first_reply_count,
        sum(first_reply_seconds_sum) as first_reply_seconds_sum,
        sum(answered_turn_count) as answered_turn_count,
        sum(timed_answer_count) as timed_answer_count,
        sum(answer_seconds_sum) as answer_seconds_sum,
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

replies as (

    select
        connection_id,
        agent_id,
        count(first_reply_seconds) as timed_first_reply_count,
        sum(first_reply_seconds) as first_reply_seconds_sum,
        sum(case when sent_at is null then 1 else 0 end) as untimed_reply_count,
        sum(case when sent_at is null and is_first_reply then 1 else 0 end) as untimed_first_reply_count,
        sum(case when closed_at is null and is_last_of_closed then 1 else 0 end) as untimed_closing_count
    from {{ ref('int_replies_credited') }}
    group by connection_id, agent_id

),

turns as (

    select
        connection_id,
        answered_by_author_id as agent_id,
        count(wait_seconds) as timed_answer_count,
        sum(wait_seconds) as answer_seconds_sum,
        sum(case when ended_at is null then 1 else 0 end) as untimed_answer_count
    from {{ ref('conversation_turns') }}
    where side = 'customer' and end_reason = 'answered'
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
left join replies
    on
        agents.connection_id = replies.connection_id
        and agents.agent_id = replies.agent_id
left join turns
    on
        agents.connection_id = turns.connection_id
        and agents.agent_id = turns.agent_id
where
    agents.reply_count <> coalesce(days.reply_count, 0) + coalesce(replies.untimed_reply_count, 0)
    or agents.reply_count <> coalesce(hours.reply_count, 0) + coalesce(replies.untimed_reply_count, 0)
    or agents.first_reply_count
    <> coalesce(days.first_reply_count, 0) + coalesce(replies.untimed_first_reply_count, 0)
    or agents.first_reply_count
    <> coalesce(hours.first_reply_count, 0) + coalesce(replies.untimed_first_reply_count, 0)
    or coalesce(days.timed_first_reply_count, 0) <> coalesce(replies.timed_first_reply_count, 0)
    or coalesce(days.first_reply_seconds_sum, 0) <> coalesce(replies.first_reply_seconds_sum, 0)
    or agents.answered_turn_count
    <> coalesce(days.answered_turn_count, 0) + coalesce(turns.untimed_answer_count, 0)
    or coalesce(days.timed_answer_count, 0) <> coalesce(turns.timed_answer_count, 0)
    or coalesce(days.answer_seconds_sum, 0) <> coalesce(turns.answer_seconds_sum, 0)
    or agents.closed_ticket_count
    <> coalesce(days.closed_ticket_count, 0) + coalesce(replies.untimed_closing_count, 0)
    or {{ differs('agents.first_replied_at', 'days.first_replied_at') }}
    or {{ differs('agents.last_replied_at', 'days.last_replied_at') }}
