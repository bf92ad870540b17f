{{ config(materialized='incremental', incremental_strategy='changed_groups') }}

with ticket_days as (

    select
        ticket_days.*,
        ticket_days.support_day_hash as group_hash
    from {{ ref('int_ticket_days_counted') }} as ticket_days
    inner join {{ changed_groups(ref('int_support_days_hashed')) }} as changed_days
        on ticket_days.support_day_hash = changed_days.group_hash

),

days as (

    select
        connection_id,
        day_on,
        category,
        priority,
        assignee_user_id,
        customer_tier,
        max(case when is_active then 1 else 0 end) = 1 as is_active,
        cast(sum(opened_count) as bigint) as opened_count,
        cast(sum(reopened_count) as bigint) as reopened_count,
        cast(sum(own_reopened_count) as bigint) as own_reopened_count,
        cast(sum(closed_count) as bigint) as closed_count,
        cast(sum(moved_in_count) as bigint) as moved_in_count,
        cast(sum(moved_out_count) as bigint) as moved_out_count,
        cast(sum(unobserved_change) as bigint) as unobserved_change,
        max(case when is_active and is_conversation_known then 1 else 0 end) = 1 as is_conversation_known,
        cast(sum(customer_message_count) as bigint) as customer_message_count,
        cast(sum(agent_reply_count) as bigint) as agent_reply_count,
        count(first_reply_seconds) as timed_first_reply_count,
        cast(coalesce(sum(first_reply_seconds), 0) as bigint) as first_reply_seconds_sum,
        {{ median_seconds('first_reply_seconds') }} as median_first_reply_seconds,
        cast(sum(timed_answer_count) as bigint) as timed_answer_count,
        cast(sum(answer_seconds_sum) as bigint) as answer_seconds_sum,
        count(resolution_seconds) as resolved_count,
        cast(coalesce(sum(resolution_seconds), 0) as bigint) as resolution_seconds_sum,
        {{ median_seconds('resolution_seconds') }} as median_resolution_seconds,
        count(cohort_is_closed) as cohort_ticket_count,
        count(case when cohort_is_closed is not null and is_conversation_known then 1 end)
            as cohort_known_conversation_ticket_count,
        count(cohort_is_answered) as cohort_told_ticket_count,
        count(case when cohort_is_answered then 1 end) as cohort_answered_ticket_count,
        count(case when cohort_is_closed then 1 end) as cohort_closed_ticket_count,
        count(cohort_first_reply_seconds) as cohort_timed_first_reply_count,
        cast(coalesce(sum(cohort_first_reply_seconds), 0) as bigint) as cohort_first_reply_seconds_sum,
        {{ median_seconds('cohort_first_reply_seconds') }} as cohort_median_first_reply_seconds,
        count(cohort_resolution_seconds) as cohort_resolved_count,
        cast(coalesce(sum(cohort_resolution_seconds), 0) as bigint) as cohort_resolution_seconds_sum,
        {{ median_seconds('cohort_resolution_seconds') }} as cohort_median_resolution_seconds,
        group_hash,
        sum(row_hash) as inputs_hash
    from ticket_days
    group by connection_id, day_on, category, priority, assignee_user_id, customer_tier, group_hash

)

select
    *,
    cohort_ticket_count = 0 or cohort_known_conversation_ticket_count > 0 as is_cohort_known,
    cohort_ticket_count = 0 or cohort_told_ticket_count > 0 as is_cohort_told,
    {{ own_logic_hash() }} as logic_hash
from days
