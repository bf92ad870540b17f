{{ config(materialized='view') }}

with days as (

    select * from {{ ref('int_support_days') }}
    where is_active

),

connections as (

    select * from {{ ref('int_connections_covered') }}

),

employees as (

    select
        connection_id,
        employee_id,
        employee_name
    from {{ ref('stg_unified__employees') }}

),

categories as (

    select * from {{ ref('int_categories_named') }}

)

select
    days.connection_id,
    days.day_on,
    days.category,
    days.priority,
    days.assignee_user_id,
    days.customer_tier,
    connections.integration_type,
    categories.category_id,
    categories.category_name,
    employees.employee_name as assignee_name,
    days.opened_count,
    days.reopened_count,
    days.own_reopened_count,
    days.closed_count,
    case when days.is_conversation_known then days.customer_message_count end as customer_message_count,
    case when days.is_conversation_known then days.agent_reply_count end as agent_reply_count,
    case when days.is_conversation_known then days.timed_first_reply_count end as timed_first_reply_count,
    case when days.is_conversation_known then days.first_reply_seconds_sum end as first_reply_seconds_sum,
    days.median_first_reply_seconds,
    case when days.is_conversation_known then days.timed_answer_count end as timed_answer_count,
    case when days.is_conversation_known then days.answer_seconds_sum end as answer_seconds_sum,
    days.resolved_count,
    days.resolution_seconds_sum,
    days.median_resolution_seconds,
    days.cohort_ticket_count,
    days.cohort_known_conversation_ticket_count,
    case when days.is_cohort_told then days.cohort_answered_ticket_count end as cohort_answered_ticket_count,
    days.cohort_closed_ticket_count,
    case when days.is_cohort_known then days.cohort_timed_first_reply_count end as cohort_timed_first_reply_count,
    case when days.is_cohort_known then days.cohort_first_reply_seconds_sum end as cohort_first_reply_seconds_sum,
    days.cohort_median_first_reply_seconds,
    days.cohort_resolved_count,
    days.cohort_resolution_seconds_sum,
    days.cohort_median_resolution_seconds,
    coalesce(days.day_on < {{ local_day('connections.data_as_of') }}, false) as is_day_over,
    connections.data_as_of
from days
left join connections
    on days.connection_id = connections.connection_id
left join categories
    on
        days.connection_id = categories.connection_id
        and days.category = categories.category
left join employees
    on
        days.connection_id = employees.connection_id
        and days.assignee_user_id = employees.employee_id
