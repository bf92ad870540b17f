-- What the agents have done and what nobody's name stands for is all that the tickets, messages and turns tell.
with by_agent as (

    select
        connection_id,
        sum(reply_count) as reply_count,
        sum(first_reply_count) as first_reply_count,
        sum(answered_turn_count) as answered_turn_count,
        sum(closed_ticket_count) as closed_ticket_count,
        sum(assigned_ticket_count) as assigned_ticket_count,
        sum(assigned_open_ticket_count + assigned_closed_ticket_count) as assigned_by_state_count,
        count(*)
        - least(
            count(reply_count), count(replied_ticket_count), count(first_reply_count), count(answered_turn_count),
            count(closed_ticket_count)
        ) as untold_agent_count
    from {{ ref('agents') }}
    group by connection_id

),

nameless_replies as (

    select
        connection_id,
        ticket_id,
        is_first_reply,
        is_last_of_closed
    from {{ ref('int_replies_credited') }}
    where agent_id is null

),

by_nobody as (

    select
        connection_id,
        count(*) as reply_count,
        sum(case when is_first_reply then 1 else 0 end) as first_reply_count,
        sum(case when is_last_of_closed then 1 else 0 end) as closed_ticket_count
    from nameless_replies
    group by connection_id

),

turns as (

    select
        connection_id,
        count(*) as answered_turn_count,
        count(*) - count(answered_by_author_id) as nameless_turn_count
    from {{ ref('conversation_turns') }}
    where side = 'customer' and end_reason = 'answered'
    group by connection_id

),

by_ticket as (

    select
        connection_id,
        sum(coalesce(agent_reply_count, 0)) as reply_count,
        sum(case when agent_reply_count > 0 then 1 else 0 end) as answered_ticket_count,
        sum(case when agent_reply_count > 0 and is_closed then 1 else 0 end) as closed_ticket_count,
        sum(
            case when assignee_user_id is not null and kind not in ('spam', 'merged') then 1 else 0 end
        ) as assigned_ticket_count,
        max(case when is_conversation_known then 1 else 0 end) = 1 as is_any_conversation_known
    from {{ ref('tickets') }}
    where not is_deleted
    group by connection_id

)

select by_ticket.*
from by_ticket
left join by_agent
    on by_ticket.connection_id = by_agent.connection_id
left join by_nobody
    on by_ticket.connection_id = by_nobody.connection_id
left join turns
    on by_ticket.connection_id = turns.connection_id
where
    coalesce(by_agent.reply_count, 0) + coalesce(by_nobody.reply_count, 0) <> by_ticket.reply_count
    or coalesce(by_agent.first_reply_count, 0) + coalesce(by_nobody.first_reply_count, 0)
    <> by_ticket.answered_ticket_count
    or coalesce(by_agent.closed_ticket_count, 0) + coalesce(by_nobody.closed_ticket_count, 0)
    <> by_ticket.closed_ticket_count
    or coalesce(by_agent.answered_turn_count, 0) + coalesce(turns.nameless_turn_count, 0)
    <> coalesce(turns.answered_turn_count, 0)
    or (by_ticket.is_any_conversation_known and by_agent.untold_agent_count > 0)
    or coalesce(by_agent.assigned_ticket_count, 0) <> by_ticket.assigned_ticket_count
    or coalesce(by_agent.assigned_by_state_count, 0) <> by_ticket.assigned_ticket_count
